"""The paper's metrics (section 5). All accuracies are fractions in 0..1."""

from __future__ import annotations

from torch import Tensor


def harmonic_mean(*values: float) -> float:
    """The harmonic mean of fractions; 0 if one of them is 0.

    Raises ValueError without values, or for a value outside 0..1.
    """
    if not values:
        raise ValueError("The harmonic mean of no values was asked for: give at least one value.")
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(
                f"The accuracy {value} is not a fraction: give a number from 0 to 1, not a percentage."
            )
    if min(values) == 0:
        return 0.0
    return len(values) / sum(1 / value for value in values)


def h_o(acc_e: float, acc_s: float, acc_g: float) -> float:
    """H_o for objects: efficacy (1 - Acc_e), specificity Acc_s, generality (1 - Acc_g)."""
    return harmonic_mean(1 - acc_e, acc_s, 1 - acc_g)


def h_c(acc_e: float, acc_s: float) -> float:
    """H_c for celebrities: efficacy (1 - Acc_e) and specificity Acc_s."""
    return harmonic_mean(1 - acc_e, acc_s)


def h_a(clip_s: float, clip_e: float) -> float:
    """H_a for styles: the CLIP score of preserved concepts minus that of erased concepts."""
    return clip_s - clip_e


def clip_score(similarities: Tensor) -> float:
    """100 times the mean cosine of images and their prompt ``[n]``; negative cosines count as 0."""
    return 100 * similarities.clamp_min(0).double().mean().item()


def top1_accuracy(probabilities: Tensor, label: int) -> float:
    """The share of images ``[n, classes]`` whose most probable class is ``label``: the paper's accuracy."""
    return (probabilities.argmax(dim=1) == label).double().mean().item()


def mean_probability(probabilities: Tensor, label: int) -> float:
    """The mean probability of ``label`` over images ``[n, classes]``: the published code's accuracy."""
    return probabilities[:, label].double().mean().item()
