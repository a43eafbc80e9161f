"""From what the judge says about each prompt set to the figures of the paper's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .metrics import clip_score, h_a, h_c, h_o, mean_probability, top1_accuracy
from .prompt_sets import PromptSet

ACCURACIES = ("top1", "mean_probability")  # the paper's; the published code's
SIDES = ("before", "after")


@dataclass(frozen=True)
class Verdict:
    """The judge about one prompt set drawn by one model. Accuracies are fractions, None without an answer;
    clip: the CLIP score with the prompt, 0..100."""

    top1: float | None
    mean_probability: float | None
    clip: float


@dataclass(frozen=True)
class Drift:
    """How far pictures moved at equal seed, root mean square over 0..1. ``another_seed``: how far apart two
    pictures of the unedited model are whose seeds differ (None for one picture a prompt)."""

    pixels: float
    another_seed: float | None


@dataclass(frozen=True)
class SetScore:
    drawn: PromptSet
    before: Verdict
    after: Verdict
    drift: Drift


def verdict(drawn: PromptSet, probabilities: Tensor | None, similarities: Tensor) -> Verdict:
    """probabilities ``[n, answers]``, None when nothing was asked; similarities ``[n]``: cosines with the
    prompt."""
    if probabilities is None:
        return Verdict(None, None, clip_score(similarities))
    label = list(drawn.answers).index(drawn.expected)
    return Verdict(
        top1_accuracy(probabilities, label), mean_probability(probabilities, label), clip_score(similarities)
    )


def drift(before: Tensor, after: Tensor) -> Drift:
    """Of pictures ``[n, H, W, 3]`` in 0..1 with the same seeds."""
    return Drift(_distance(before, after), _distance(before, before.roll(1, 0)) if len(before) > 1 else None)


def summary(scores: Sequence[SetScore]) -> dict[str, dict]:
    """All figures as fractions (CLIP scores 0..100), None where nothing was measured:

    ``top1`` and ``mean_probability``: before and after Acc_e, Acc_g, Acc_s, H_o, H_c; relative: the H of
    after with Acc_s divided by its own before, so that what the unedited model cannot draw either is not held
    against the erasure. ``clip``: CLIP_e, CLIP_s, H_a. ``drift``: of all that is kept.
    """
    figures: dict[str, dict] = {}
    for accuracy in ACCURACIES:
        sides = {side: _accuracies(scores, side, accuracy) for side in SIDES}
        before, after = sides["before"]["acc_s"], sides["after"]["acc_s"]
        relative = min(1.0, after / before) if before else None
        figures[accuracy] = sides | {"relative": _harmonic({**sides["after"], "acc_s": relative})}
    figures["clip"] = {side: _clip(scores, side) for side in SIDES}
    kept = [each.drift for each in scores if each.drawn.group in ("neighbour", "kept")]
    figures["drift"] = {
        "kept": _mean(each.pixels for each in kept),
        "another_seed": _mean(each.another_seed for each in kept),
    }
    return figures


def _accuracies(scores, side: str, accuracy: str) -> dict[str, float | None]:
    def mean(*groups: str) -> float | None:
        return _mean(getattr(getattr(each, side), accuracy) for each in scores if each.drawn.group in groups)

    values = {"acc_e": mean("erased"), "acc_g": mean("synonym"), "acc_s": mean("neighbour", "kept")}
    return values | _harmonic(values)


def _harmonic(values) -> dict[str, float | None]:
    acc_e, acc_g, acc_s = (values[name] for name in ("acc_e", "acc_g", "acc_s"))
    known = acc_s is not None
    return {
        "h_o": h_o(acc_e, acc_s, acc_g) if known and acc_g is not None else None,
        "h_c": h_c(acc_e, acc_s) if known else None,
    }


def _clip(scores, side: str) -> dict[str, float | None]:
    """CLIP_s over what is kept of the erased concepts' own kinds, as in the paper's table of styles."""
    kinds = {each.drawn.kind for each in scores if each.drawn.group == "erased"}
    clip_e = _mean(getattr(each, side).clip for each in scores if each.drawn.group == "erased")
    clip_s = _mean(
        getattr(each, side).clip
        for each in scores
        if each.drawn.group in ("neighbour", "kept") and each.drawn.kind in kinds
    )
    return {"clip_e": clip_e, "clip_s": clip_s, "h_a": None if clip_s is None else h_a(clip_s, clip_e)}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _distance(a: Tensor, b: Tensor) -> float:
    return torch.stack([(x - y).square().mean().sqrt() for x, y in zip(a, b, strict=True)]).mean().item()
