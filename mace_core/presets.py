"""The authors' settings by kind and number of concepts, from the paper and from the published code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .concepts.concepts import Concept
from .concepts.kinds import KINDS
from .erasure.fuse import FuseSettings
from .files.shown import shown
from .refinement.prior import PAPER_CAPTIONS
from .refinement.refine import PRESERVE_WEIGHT, RELATIVE_RIDGE, RIDGE, RefineSettings
from .training.settings import NORM, NORMAL, SQUARED, TrainSettings

OWN, OWN_END_OF_TEXT = "own values", "own values, end of text too"
PAPER, PUBLISHED_CODE = "paper", "published code"
VARIANTS = (PAPER, PUBLISHED_CODE)
PRESETS = (OWN, *VARIANTS)
TRAINING_PRESETS = (OWN, OWN_END_OF_TEXT, *VARIANTS)


@dataclass(frozen=True)
class Preset:
    """The settings for up to ``most`` concepts of a kind.

    preserve_weight: l1 = l2 of equations 2 and 7; prior_weight: how often each domain caption counts, 0 for
    no domain prior; cfis: concept-focal importance sampling (equation 5).
    """

    kind: str
    most: float
    learning_rate: float
    steps: int
    preserve_weight: float
    ridge: float
    prior_weight: float
    cfis: bool


MANY = float("inf")
# The paper erases single objects with a ridge of 10 to 1000, a hundred styles, and four explicit words.
TABLE = (
    #       kind      most  lr    steps l1=l2  ridge prior cfis
    Preset("object", MANY, 1e-5, 50, 0.0, 10.0, 0.0, True),
    Preset("person", 1, 1e-4, 50, 1e-4, 0.0, 8e3, True),
    Preset("person", 5, 1e-4, 50, 1e-4, 0.0, 5e4, True),
    Preset("person", 10, 1e-4, 50, 1e-4, 0.0, 8e4, True),
    Preset("person", MANY, 1e-4, 50, 1e-4, 0.0, 2e5, True),
    Preset("style", MANY, 1e-4, 50, 1e-4, 0.0, 8e4, True),
    Preset("explicit", MANY, 1e-5, 120, 7e-7, 0.0, 0.0, False),
)


def preset_of(kind: str, count: int) -> Preset:
    """The row for ``count`` concepts of ``kind``. Raises ValueError for an unknown kind."""
    for row in TABLE:
        if row.kind == kind and count <= row.most:
            return row
    raise ValueError(f"There is no preset for the kind {shown(kind)}: use one of {', '.join(KINDS)}.")


def shared_preset(concepts: Sequence[Concept]) -> Preset:
    """One row for a list in stages 1 and 3; for several kinds, the one that preserves most."""
    kinds = [concept.kind for concept in concepts]
    rows = [preset_of(kind, kinds.count(kind)) for kind in dict.fromkeys(kinds)]
    return max(rows, key=lambda row: (row.preserve_weight, row.prior_weight, row.ridge))


def own_weight(preserve_weight: float, concepts: Sequence[Concept]) -> float:
    """l1 or l2 in the pack's own settings: the prior counts once for each concept.

    The other side of the balance in equations 2 and 7 is a sum over the concepts, so this preserves equally
    well however long the list is. The paper's domain prior, which grows with the list, has the same purpose.
    """
    return preserve_weight * len(concepts)


def own_kind_weights(concepts: Sequence[Concept]) -> dict[str, float]:
    """How much the concepts of each kind count in the pack's own settings: each kind as much as the whole
    list.

    The prior counts once for each concept of the list (``own_weight``). So ten people beside thirty objects
    would face four times the prior that they face alone, unless they count four times.
    """
    kinds = [concept.kind for concept in concepts]
    return {kind: len(kinds) / kinds.count(kind) for kind in dict.fromkeys(kinds)}


def refine_settings(concepts: Sequence[Concept], variant: str) -> RefineSettings:
    """The authors' settings of stage 1. The published code multiplies the prior by l1 twice."""
    row = shared_preset(concepts)
    power = 2 if variant == PUBLISHED_CODE else 1
    return RefineSettings(preserve_weight=row.preserve_weight**power, ridge=row.ridge)


def fuse_settings(concepts: Sequence[Concept]) -> FuseSettings:
    """The authors' settings of stage 3, the same in the paper and in the published code."""
    row = shared_preset(concepts)
    return FuseSettings(preserve_weight=row.preserve_weight, ridge=row.ridge)


def refine_balance(
    concepts: Sequence[Concept],
    preset: str,
    preserve_weight: float = PRESERVE_WEIGHT,
    ridge: float = RIDGE,
    relative_ridge: float = RELATIVE_RIDGE,
) -> tuple[RefineSettings, dict[str, float]]:
    """Stage 1 with one of PRESETS: its settings, and how much the concepts of each kind count.

    preserve_weight, ridge, relative_ridge: of the pack's own setting; the prior then counts once per concept.
    """
    if preset == OWN:
        own = RefineSettings(own_weight(preserve_weight, concepts), ridge, relative_ridge)
        return own, own_kind_weights(concepts)
    return refine_settings(concepts, preset), dict.fromkeys((concept.kind for concept in concepts), 1.0)


def fuse_balance(
    concepts: Sequence[Concept],
    preset: str,
    preserve_weight: float = PRESERVE_WEIGHT,
    ridge: float = RIDGE,
    relative_ridge: float = RELATIVE_RIDGE,
) -> tuple[FuseSettings, dict[str, float]]:
    """``refine_balance`` for stage 3."""
    if preset == OWN:
        own = FuseSettings(own_weight(preserve_weight, concepts), ridge, relative_ridge)
        return own, own_kind_weights(concepts)
    return fuse_settings(concepts), {}


def train_settings(concept: Concept, count: int, variant: str, rank: int = 1, seed: int = 0) -> TrainSettings:
    """The authors' settings of stage 2 for one of ``count`` concepts of its kind.

    Both start D as diffusers' LoRA layer does. The published code does not square the norm, and also
    suppresses the end token.
    """
    row, published = preset_of(concept.kind, count), variant == PUBLISHED_CODE
    return TrainSettings(
        row.steps,
        row.learning_rate,
        rank,
        cfis=row.cfis,
        seed=seed,
        loss=NORM if published else SQUARED,
        suppress_end_of_text=published,
        initial=NORMAL,
    )


def own_train_settings(concepts: Sequence[Concept], wanted: TrainSettings) -> list[TrainSettings]:
    """The pack's own settings of stage 2, one per concept: ``wanted``, without focal sampling for kinds that
    the authors train without it."""
    return [replace(wanted, cfis=wanted.cfis and preset_of(concept.kind, 1).cfis) for concept in concepts]


def domain_weight(concepts: Sequence[Concept], captions: int) -> float:
    """The weight with which ``prior_from_captions`` counts each caption as the paper counts domain captions.

    1 for kinds without a domain prior, whose captions are general.
    """
    weight = shared_preset(concepts).prior_weight
    return weight * captions / PAPER_CAPTIONS if weight else 1.0
