"""From the judge's answers about each prompt set to the figures of the paper's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev

import torch
from torch import Tensor

from ..files.records import Record
from .metrics import clip_score, h_a, h_c, h_o, mean_probability, top1_accuracy
from .prompt_sets import NEVER, PRESERVED, PromptSet

ACCURACIES = ("top1", "mean_probability")  # the paper's; the published code's
SIDES = ("before", "after")


@dataclass(frozen=True)
class Verdict(Record):
    """The judge's answers about one prompt set from one model. Accuracies are fractions, or None if nothing
    was asked; clip: the CLIP score with the prompt, 0..100."""

    top1: float | None
    mean_probability: float | None
    clip: float


@dataclass(frozen=True)
class Drift(Record):
    """How far images moved at equal seeds: root mean square, for pixels in 0..1. ``another_seed``: the
    distance of two images of the original model with different seeds, None for one image per prompt."""

    pixels: float
    another_seed: float | None


@dataclass(frozen=True)
class SetScore:
    """One prompt set: the verdicts on both models, and the drift between them."""

    prompt_set: PromptSet
    before: Verdict
    after: Verdict
    drift: Drift


@dataclass(frozen=True)
class Harmonic(Record):
    """H_o and H_c as fractions; None where one of their accuracies was not measured."""

    h_o: float | None
    h_c: float | None


@dataclass(frozen=True)
class Accuracies(Record):
    """Acc_e, Acc_g, Acc_s, H_o and H_c of one model, as fractions; None where nothing was measured. never:
    the accuracy on concepts that nobody names."""

    acc_e: float | None
    acc_g: float | None
    acc_s: float | None
    h_o: float | None
    h_c: float | None
    never: float | None = None


@dataclass(frozen=True)
class NeverNamed(Record):
    """What is left of concepts that nobody names: ``share`` of the accuracy before, at most 1, and one
    standard error over the ``concepts``, None for a single one."""

    share: float
    error: float | None
    concepts: int


@dataclass(frozen=True)
class BothSides(Record):
    """One kind of accuracy before and after. ``relative``: after, with Acc_s divided by its value before, so
    that concepts the original model cannot generate do not count against the erasure. never_named: None if
    there were none, or if the original model showed none."""

    before: Accuracies
    after: Accuracies
    relative: Harmonic
    never_named: NeverNamed | None = None


@dataclass(frozen=True)
class ClipScores(Record):
    """CLIP_e, CLIP_s (0..100) and H_a of one model; None where nothing was measured."""

    clip_e: float | None
    clip_s: float | None
    h_a: float | None


@dataclass(frozen=True)
class BothClipScores(Record):
    """CLIP scores before and after."""

    before: ClipScores
    after: ClipScores


@dataclass(frozen=True)
class MeanDrift(Record):
    """The mean drift of all preserved prompts, and of two seeds of the original model."""

    kept: float | None
    another_seed: float | None


@dataclass(frozen=True)
class Summary(Record):
    """Every figure of a score."""

    top1: BothSides
    mean_probability: BothSides
    clip: BothClipScores
    drift: MeanDrift


def verdict(prompt_set: PromptSet, probabilities: Tensor | None, similarities: Tensor) -> Verdict:
    """The figures of one prompt set.

    probabilities: ``[n, answers]``, None if nothing was asked; similarities: ``[n]``, cosines of the images
    with the prompt.
    """
    if probabilities is None:
        return Verdict(None, None, clip_score(similarities))
    label = list(prompt_set.answers).index(prompt_set.expected)
    return Verdict(
        top1_accuracy(probabilities, label), mean_probability(probabilities, label), clip_score(similarities)
    )


def drift(before: Tensor, after: Tensor) -> Drift:
    """The drift between images ``[n, H, W, 3]`` in 0..1 with the same seeds."""
    return Drift(_distance(before, after), _distance(before, before.roll(1, 0)) if len(before) > 1 else None)


def summary(scores: Sequence[SetScore]) -> Summary:
    """All figures of a list of prompt sets; each accuracy is the mean over the prompt sets of its groups."""
    preserved = [score.drift for score in scores if score.prompt_set.group in PRESERVED]
    return Summary(
        *(_both_sides(scores, accuracy) for accuracy in ACCURACIES),
        BothClipScores(*(_clip(scores, side) for side in SIDES)),
        MeanDrift(_mean(each.pixels for each in preserved), _mean(each.another_seed for each in preserved)),
    )


def _both_sides(scores: Sequence[SetScore], accuracy: str) -> BothSides:
    before, after = (_accuracies(scores, side, accuracy) for side in SIDES)
    relative = min(1.0, after.acc_s / before.acc_s) if before.acc_s else None
    harmonic = _harmonic(after.acc_e, after.acc_g, relative)
    return BothSides(before, after, harmonic, _never_named(scores, accuracy))


def _never_named(scores: Sequence[SetScore], accuracy: str) -> NeverNamed | None:
    """The concepts are the sample: images of one concept resemble each other."""
    sides = [
        [getattr(side, accuracy) for side in (score.before, score.after)]
        for score in scores
        if score.prompt_set.group == NEVER
    ]
    before, after = (sum(values) for values in zip(*sides, strict=True)) if sides else (0.0, 0.0)
    if not before:
        return None
    changes = [now - was for was, now in sides]
    spread = stdev(changes) / len(changes) ** 0.5 if len(changes) > 1 else None
    return NeverNamed(min(1.0, after / before), spread, len(sides))


def _accuracies(scores: Sequence[SetScore], side: str, accuracy: str) -> Accuracies:
    def mean(*groups: str) -> float | None:
        chosen = (score for score in scores if score.prompt_set.group in groups)
        return _mean(getattr(getattr(score, side), accuracy) for score in chosen)

    acc_e, acc_g, acc_s = mean("erased"), mean("synonym"), mean(*PRESERVED)
    harmonic = _harmonic(acc_e, acc_g, acc_s)
    return Accuracies(acc_e, acc_g, acc_s, harmonic.h_o, harmonic.h_c, mean(NEVER))


def _harmonic(acc_e: float | None, acc_g: float | None, acc_s: float | None) -> Harmonic:
    if acc_s is None:
        return Harmonic(None, None)
    return Harmonic(None if acc_g is None else h_o(acc_e, acc_s, acc_g), h_c(acc_e, acc_s))


def _clip(scores: Sequence[SetScore], side: str) -> ClipScores:
    """CLIP_s covers preserved concepts of the erased concepts' kinds only, as in the paper's table of
    styles."""
    erased = [score for score in scores if score.prompt_set.group == "erased"]
    kinds = {score.prompt_set.kind for score in erased}
    preserved = [
        score for score in scores if score.prompt_set.group in PRESERVED and score.prompt_set.kind in kinds
    ]
    clip_e, clip_s = (_mean(getattr(score, side).clip for score in group) for group in (erased, preserved))
    return ClipScores(clip_e, clip_s, None if clip_s is None else h_a(clip_s, clip_e))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _distance(a: Tensor, b: Tensor) -> float:
    return torch.stack([(x - y).square().mean().sqrt() for x, y in zip(a, b, strict=True)]).mean().item()
