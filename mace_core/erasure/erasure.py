"""The result: one matrix shared by all projections, and one low-rank term per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from ..concepts.concepts import Concept, same
from ..concepts.prompts import templates_naming
from ..encoder.text_encoder import TextEncoder
from ..refinement.moments import ConceptMoments, check_same_encoder
from ..refinement.prior import Prior
from ..refinement.refine import RefineSettings, refine
from ..training.lora import ConceptLoRA, untrained_lora, without_prompts_of_others
from ..version import VERSION
from .fuse import FuseSettings, fuse


@dataclass(frozen=True, eq=False)
class Erasure:
    """W -> W T + U D for every attn2 projection W ``[o, d]``.

    T: ``[d, d]`` float32; U: layer -> ``[o, q]`` and D: layer -> ``[q, d]`` float32,
    both empty after stage 1.
    concepts: what is erased; settings: of the stages that ran; text_encoder: fingerprint, which must match
    where the erasure is applied; base: fingerprint of the model trained on, for information; version: of the
    pack. Raises ValueError when the shapes do not fit together or a number is not finite.
    """

    T: Tensor
    U: dict[str, Tensor]
    D: dict[str, Tensor]
    concepts: tuple[Concept, ...]
    settings: dict = field(default_factory=dict)
    text_encoder: str = ""
    base: str = ""
    version: str = VERSION

    def __post_init__(self) -> None:
        d = self.T.shape[-1]
        fits = tuple(self.T.shape) == (d, d) and self.U.keys() == self.D.keys()
        fits = fits and all(
            u.ndim == 2 and tuple(self.D[name].shape) == (u.shape[1], d) for name, u in self.U.items()
        )
        if not fits:
            raise ValueError("The tensors of the erasure do not fit together: make the erasure again.")
        if not all(torch.isfinite(x).all() for x in (self.T, *self.U.values(), *self.D.values())):
            raise ValueError("The erasure contains NaN or infinity: make it again with a larger ridge.")


def closed_form_erasure(
    concepts: Sequence[Concept],
    moments: Sequence[ConceptMoments],
    prior: Prior | None,
    settings: RefineSettings,
    base: str = "",
) -> Erasure:
    """Stage 1 as an erasure; ``moments`` are those of ``concepts``, or their sum.

    Raises ValueError as ``refine`` does.
    """
    T1 = refine(moments, prior, settings)
    fingerprint = moments[0].fingerprint if moments else prior.fingerprint
    return Erasure(T1.float(), {}, {}, tuple(concepts), {"refine": asdict(settings)}, fingerprint, base)


def fused_erasure(
    encoder: TextEncoder,
    refined: Erasure,
    loras: Sequence[ConceptLoRA],
    prior: Prior | None,
    settings: FuseSettings,
    kind_weights: Mapping[str, float] | None = None,
) -> Erasure:
    """Stage 3 as an erasure, from that of stage 1 and the LoRAs of any subset of its concepts.

    A concept without a LoRA stays as stage 1 left it. As in stage 1, prompts of one concept that name another
    do not count. ``kind_weights`` as in ``fuse``. Raises ValueError: a
    refined erasure that is fused already, a LoRA of a concept that was not refined, another text encoder, and
    as ``fuse`` does.
    """
    if refined.U:
        raise ValueError(
            "The erasure given to fusion is fused already: "
            "connect the one of the node 'Cross-Attention Refinement'."
        )
    check_same_encoder("the refined erasure and the CLIP", [refined.text_encoder, encoder.fingerprint], [])
    trained = {same(lora.concept.target): lora.concept.target for lora in loras}
    if unknown := trained.keys() - {same(concept.target) for concept in refined.concepts}:
        raise ValueError(
            f"There is a LoRA for '{trained[min(unknown)]}', which the refined erasure does not "
            "contain: refine with that concept first, then train on the refined model."
        )
    rest = [
        untrained_lora(encoder, concept)
        for concept in refined.concepts
        if same(concept.target) not in trained
    ]
    naming = templates_naming(refined.concepts)
    every = [without_prompts_of_others(encoder, lora, naming) for lora in (*loras, *rest)] if loras else []
    T, U, D = fuse(refined.T, every, prior, settings, kind_weights)
    used = {
        **refined.settings,
        "fuse": asdict(settings),
        "train": {lora.concept.target: lora.provenance for lora in loras},
    }
    U, D = ({name: factor.float() for name, factor in factors.items()} for factors in (U, D))
    return Erasure(T.float(), U, D, refined.concepts, used, refined.text_encoder, refined.base)


def edited_weight(W: Tensor, layer: str, erasure: Erasure, strength: float = 1.0) -> Tensor:
    """The weight of ``layer`` with the erasure in force: ``edited`` with the erasure's own T, U and D.

    Raises ValueError when W has another shape than the erasure was made for.
    """
    check_fits(W, layer, erasure)
    return edited(W, erasure.T, erasure.U.get(layer), erasure.D.get(layer), strength)


def edited(W: Tensor, T: Tensor, U: Tensor | None, D: Tensor | None, strength: float = 1.0) -> Tensor:
    """W + strength (W T + U D - W) for a projection W ``[o, d]``, in float32 on the device of W.

    Strength 0 returns W itself. Without low-rank factors it is W T alone.
    """
    if strength == 0:
        return W
    W = W.float()
    edited = W @ T.to(W)
    if U is not None:
        edited = edited + U.to(W) @ D.to(W)
    return W + strength * (edited - W)


def check_fits(W: Tensor, layer: str, erasure: Erasure) -> None:
    """Raise ValueError unless W ``[o, d]`` has the shape that ``erasure`` was made for."""
    d, U = erasure.T.shape[0], erasure.U.get(layer)
    if W.ndim != 2 or W.shape[1] != d or (U is not None and U.shape[0] != W.shape[0]):
        outputs = "any" if U is None else U.shape[0]
        raise ValueError(
            f"The layer '{layer}' has a weight of shape {list(W.shape)} and the erasure was "
            f"made for [{outputs}, {d}]: use a MODEL of the family the erasure was made with."
        )
