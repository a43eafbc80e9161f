"""What a LoRA does on noise that it was not trained on: how much attention is left, and which logits change.

The logit of a head at a place with query q for a token e changes by q.(U D e) / sqrt(dh). It should fall
inside the mask for the concept's own tokens, and hardly for words of other concepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..files.records import Record
from .attention_maps import layer_size, resize_masks
from .factors import LowRank
from .network import AttentionModel
from .samples import Sample, joined

LEAST = 0.5  # places: a mask of the whole image leaves nothing outside but rounding
HELD_OUT = 4  # samples of the exact trainer, evenly spread over the timesteps of the training


@dataclass(frozen=True)
class Effect(Record):
    """left: equation 3 with the LoRA as a share of equation 3 without it, 0 or more.

    Mean changes of logits over heads, layers and places: ``inside`` the masks and ``outside`` for the
    concept's own tokens; ``other``: the mean size inside the masks for words of other concepts, 0 or more.
    Without such places or words, 0. steps: of the training.
    """

    left: float
    inside: float
    outside: float
    other: float
    steps: int


@dataclass(frozen=True, eq=False)
class Queries:
    """Sums of queries per sample: inside the masks and outside ``[B, heads, dh]``, and the sizes of both
    areas ``[B]``, float64."""

    inside: Tensor
    outside: Tensor
    area: Tensor
    rest: Tensor

    def __add__(self, more: Queries) -> Queries:
        return Queries(
            self.inside + more.inside,
            self.outside + more.outside,
            self.area + more.area,
            self.rest + more.rest,
        )


def query_sums(q: Tensor, masks: Tensor, latent_size: tuple[int, int]) -> Queries:
    """Of queries ``[B, heads, h*w, dh]``, for masks ``[B, H, W]`` and latents of (height, width)."""
    M = resize_masks(masks, layer_size(q.shape[2], latent_size)).to(q)  # [B, h*w]
    inside = torch.einsum("bp,bhpc->bhc", M, q).cpu().double()
    area = M.sum(1).cpu().double()
    return Queries(inside, q.sum(2).cpu().double() - inside, area, M.shape[1] - area)


def effects_of(
    model: AttentionModel,
    held_out: Sequence[Sample],
    loras: Sequence[LowRank],
    others: Sequence[Tensor],
    left: Sequence[float],
    steps: Sequence[int],
) -> list[Effect]:
    """The Effect of each concept's LoRA, with one pass for each sample that a concept has.

    held_out: equally many draws per concept; others: words of other concepts ``[n, d]``, as the model reads
    them; left, steps: as in Effect.
    """
    size = tuple(held_out[0].x_0.shape[-2:])
    total: dict[str, Queries] = {}
    for i in range(len(held_out[0].t)):
        one = joined([sample[i : i + 1] for sample in held_out])
        x_t = model.noise(one.x_0, one.t, one.eps)
        found = model.queries(x_t, one.t, one.context, lambda q, one=one: query_sums(q, one.masks, size))
        total = {layer: total[layer] + sums if total else sums for layer, sums in found.items()}
    return [
        Effect(left[n], *_changes(n, total, loras[n], held_out[n], others[n]), steps[n])
        for n in range(len(held_out))
    ]


def _changes(
    n: int, queries: dict[str, Queries], lora: LowRank, sample: Sample, others: Tensor
) -> tuple[float, float, float]:
    """inside, outside and other of concept n."""
    own = sample.context[sample.suppressed].mean(0, keepdim=True)
    found = []
    for layer in sorted(queries.keys() & lora.keys()):  # sums in one order: the same bits in every process
        sums, (U, D) = queries[layer], lora[layer]
        heads, dh = sums.inside.shape[1:]

        def changed(total: Tensor, area: Tensor, e: Tensor, U=U, D=D, heads=heads, dh=dh) -> Tensor:
            """The mean change of the logits ``[tokens]``."""
            edit = (e.double() @ D.double().mT @ U.double().mT).unflatten(1, (heads, dh))
            mean = torch.einsum("hc,nhc->n", total, edit) / dh**0.5 / heads / area
            return mean if area > LEAST else torch.zeros_like(mean)

        found.append(
            (
                changed(sums.inside[n], sums.area[n], own).mean(),
                changed(sums.outside[n], sums.rest[n], own).mean(),
                changed(sums.inside[n], sums.area[n], others).abs().mean()
                if len(others)
                else torch.zeros(()),
            )
        )
    return tuple(float(torch.stack(column).mean()) for column in zip(*found, strict=True)) or (0.0, 0.0, 0.0)
