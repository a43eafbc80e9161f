"""The result: one matrix T that all projections share, and one low-rank edit per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..concepts.concepts import Concept, canonical
from ..concepts.prompts import templates_naming
from ..encoder.text_encoder import TextEncoder
from ..files.records import Record
from ..files.shown import shown
from ..refinement.moments import ConceptMoments, check_same_encoder
from ..refinement.prior import Prior
from ..refinement.refine import RefineSettings, refine
from ..training.factors import LowRank
from ..training.lora import ConceptLoRA, Provenance, untrained_lora, without_prompts_of_others
from ..version import VERSION
from .fuse import FuseSettings, fuse
from .gate import Gate
from .pooled import LAYER, PooledEdit, edited_pooled, pooled_edit


@dataclass(frozen=True)
class ErasureSettings(Record):
    """The settings of the stages that ran: of refinement, of fusion, and target -> how its LoRA was
    trained."""

    refine: RefineSettings | None = None
    fuse: FuseSettings | None = None
    train: Mapping[str, Provenance] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The stages that ran; the others are left out."""
        return {stage: value for stage, value in super().to_json().items() if value}


@dataclass(frozen=True, eq=False)
class Erasure:
    """W -> W T + U D for every attn2 projection W ``[o, d]``.

    T: ``[d, d]`` float32; low_rank: U ``[o, q]`` and D ``[q, d]`` of each layer, float32, empty after stage
    1.
    concepts: what is erased; text_encoder: its fingerprint, which must match wherever the erasure is applied;
    base: fingerprint of the model that the LoRAs were trained on; version: of the pack; gate: where in a
    prompt to act (gate.py), None in files from before there was one; pooled: T_p of the pooled vector
    (pooled.py), for text encoders that have one.
    Raises ValueError if the shapes do not fit together or a number is not finite.
    """

    T: Tensor
    low_rank: LowRank
    concepts: tuple[Concept, ...]
    settings: ErasureSettings = ErasureSettings()
    text_encoder: str = ""
    base: str = ""
    version: str = VERSION
    gate: Gate | None = None
    pooled: PooledEdit | None = None

    def __post_init__(self) -> None:
        d = self.T.shape[-1] if self.T.ndim else 0
        fits = tuple(self.T.shape) == (d, d) and all(
            U.ndim == 2 and tuple(D.shape) == (U.shape[1], d) for U, D in self.low_rank.values()
        )
        if not fits:
            raise ValueError("The tensors of the erasure do not fit together: make the erasure again.")
        if self.gate is not None and self.gate.width != d:
            raise ValueError("The gate does not fit the erasure: make the erasure again.")
        gated = None if self.gate is None else self.gate.pooled
        if (self.pooled and self.pooled.width) != (gated and gated.width):
            raise ValueError("The pooled part does not fit its gate: make the erasure again.")
        if not all(tensor.isfinite().all() for tensor in (self.T, *self.low_rank.tensors)):
            raise ValueError("The erasure contains NaN or infinity: make it again with a larger ridge.")

    @property
    def is_fused(self) -> bool:
        """Whether stages 2 and 3 ran; if not, it is a preview from stage 1 alone."""
        return bool(self.low_rank)


def closed_form_erasure(
    concepts: Sequence[Concept],
    moments: Sequence[ConceptMoments],
    prior: Prior | None,
    settings: RefineSettings,
    base: str = "",
    gate: Gate | None = None,
) -> Erasure:
    """Stage 1 as an erasure; ``moments`` are those of ``concepts``, or their sum.

    With the gate of pooled vectors, their closed form is made too. Raises ValueError as ``refine`` does.
    """
    T1 = refine(moments, prior, settings)
    fingerprint = moments[0].fingerprint if moments else prior.fingerprint
    used = ErasureSettings(settings)
    pooled = None
    if gate is not None and gate.pooled is not None:
        pooled = pooled_edit([each.pooled for each in moments], prior and prior.pooled, settings)
    return Erasure(T1.float(), LowRank(), tuple(concepts), used, fingerprint, base, gate=gate, pooled=pooled)


def fused_erasure(
    encoder: TextEncoder,
    refined: Erasure,
    loras: Sequence[ConceptLoRA],
    prior: Prior | None,
    settings: FuseSettings,
    kind_weights: Mapping[str, float] | None = None,
) -> Erasure:
    """Stage 3 as an erasure, from that of stage 1 and the LoRAs of any of its concepts.

    A concept without a LoRA stays as stage 1 made it. As in stage 1, prompts of one concept that name another
    do not count. ``kind_weights`` as in ``fuse``. Raises ValueError: a refined erasure that is already fused,
    a LoRA of a concept that was not refined, another text encoder, and the errors of ``fuse``.
    """
    if refined.is_fused:
        raise ValueError(
            "The erasure given to fusion is already fused: "
            "connect the one from the node 'Cross-Attention Refinement'."
        )
    check_same_encoder("the refined erasure and the CLIP", [refined.text_encoder, encoder.fingerprint], [])
    trained = {canonical(lora.concept.target): lora.concept.target for lora in loras}
    if unknown := trained.keys() - {canonical(concept.target) for concept in refined.concepts}:
        raise ValueError(
            f"There is a LoRA for {shown(trained[min(unknown)])}, which the refined erasure does not "
            "contain: refine with that concept first, then train on the refined model."
        )
    untrained = [
        untrained_lora(encoder, concept)
        for concept in refined.concepts
        if canonical(concept.target) not in trained
    ]
    naming = templates_naming(refined.concepts)
    every = (
        [without_prompts_of_others(encoder, lora, naming) for lora in (*loras, *untrained)] if loras else []
    )
    T, low_rank = fuse(refined.T, every, prior, settings, kind_weights)
    train = {lora.concept.target: lora.provenance for lora in loras if lora.provenance}
    used = replace(refined.settings, fuse=settings, train=train)
    return replace(refined, T=T.float(), low_rank=low_rank.to(torch.float32), settings=used, version=VERSION)


def edited_weight(W: Tensor, layer: str, erasure: Erasure, strength: float = 1.0) -> Tensor:
    """The weight W ``[o, d]`` of ``layer`` with the erasure applied, by ``edited`` or ``edited_pooled``.

    Raises ValueError if W has another shape than the erasure was made for.
    """
    if layer == LAYER and erasure.pooled is not None:
        return edited_pooled(W, erasure.pooled, strength)
    check_fits(W, layer, erasure)
    return edited(W, erasure.T, erasure.low_rank.get(layer), strength)


def edited(W: Tensor, T: Tensor, factors: tuple[Tensor, Tensor] | None, strength: float = 1.0) -> Tensor:
    """W + strength (W T + U D - W) for a projection W ``[o, d]``, in float32 on the device of W.

    factors: U ``[o, q]`` and D ``[q, d]``, or None for W T alone. Strength 0 returns W itself.
    """
    if strength == 0:
        return W
    W = W.float()
    target = W @ T.to(W)
    if factors is not None:
        U, D = factors
        target = target + U.to(W) @ D.to(W)
    return W + strength * (target - W)


def check_fits(W: Tensor, layer: str, erasure: Erasure) -> None:
    """Raise ValueError if W ``[o, d]`` has another shape than ``erasure`` was made for."""
    d, factors = erasure.T.shape[0], erasure.low_rank.get(layer)
    outputs = W.shape[0] if factors is None else factors[0].shape[0]
    if W.ndim != 2 or tuple(W.shape) != (outputs, d):
        expected = "any" if factors is None else outputs
        raise ValueError(
            f"The layer {shown(layer)} has a weight of shape {list(W.shape)} and the erasure was "
            f"made for [{expected}, {d}]: use a MODEL of the family the erasure was made with."
        )
