"""Stage 3: closed-form fusion of the concept LoRAs (section 4.3, equation 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..refinement.moments import check_same_encoder
from ..refinement.prior import Prior
from ..refinement.refine import RefineSettings, divided, factored, prior_term, ridge_term
from ..training.factors import LowRank, cat
from ..training.lora import ConceptLoRA

TOGETHER = 16  # concepts whose rows are divided at once: one pass over N for all of them


class FuseSettings(RefineSettings):
    """preserve_weight: l2 >= 0; ridge, relative_ridge: r >= 0. The paper uses the values of stage 1."""


def fuse(
    T1: Tensor,
    loras: Sequence[ConceptLoRA],
    prior: Prior | None,
    settings: FuseSettings,
    kind_weights: Mapping[str, float] | None = None,
) -> tuple[Tensor, LowRank]:
    """T* ``[d, d]`` and U* D* (U* ``[o, q]``, D* ``[q, d]`` per layer), float64, with W* = W T* + U* D*.

    Equation 7 asks for the W* that gives what each concept's LoRA gives on the concept's own prompts, and
    that leaves the prior unchanged. With W factored out on the left and Delta_i = U_i D_i:

        N  = sum_i C_i + l2 P + r I
        T* = [T1 (sum_i C_i + r I) + l2 P] N^-1
        U* = [U_1 .. U_n]        D* = [D_1 C_1 N^-1; ..; D_n C_n N^-1]

    The ridge pulls W* towards W T1. ``kind_weights``: how much C_i counts for each kind of concept, 1 for a
    kind that is not in it. Raises ValueError: no LoRAs, different text encoders, different models, a singular
    matrix (increase ridge).
    """
    if not loras:
        raise ValueError(
            "There are no concept LoRAs to fuse: train at least one with the node 'Train Concept LoRA'."
        )
    fingerprints = [lora.fingerprint for lora in loras] + ([prior.fingerprint] if prior else [])
    widths = [T1.shape[0]] + [lora.C.shape[0] for lora in loras] + ([prior.P.shape[0]] if prior else [])
    check_same_encoder("the LoRAs, the refined model and the prior", fingerprints, widths)
    T1 = T1.double()
    weights = [(kind_weights or {}).get(lora.concept.kind, 1.0) for lora in loras]
    C = torch.zeros_like(T1)
    for weight, lora in zip(weights, loras, strict=True):
        C.add_(lora.C, alpha=weight)
    ridge, kept = ridge_term(settings, C), prior_term(prior, settings)
    L = factored(C + kept + ridge)  # of N
    T = divided(T1 @ (C + ridge) + kept, L)
    shares = []
    for start in range(0, len(loras), TOGETHER):
        part = loras[start : start + TOGETHER]
        products = list(map(_product, part, weights[start : start + TOGETHER]))
        rows = divided(torch.cat(products), L).split(list(map(len, products)))
        shares += map(_share, part, rows)
    return T, cat(shares)


def _product(lora: ConceptLoRA, weight: float) -> Tensor:
    """D_i C_i of all layers, one below the other, ``[layers * r, d]``."""
    rows = [D.double() for _, (_, D) in sorted(lora.low_rank.items())]
    return weight * torch.cat(rows) @ lora.C if rows else lora.C[:0]


def _share(lora: ConceptLoRA, rows: Tensor) -> LowRank:
    """U_i, and D_i C_i N^-1 from the rows of all layers ``[layers * r, d]``: C_i N^-1 is the share of each
    direction that concept i answers for."""
    factors = sorted(lora.low_rank.items())
    parts = rows.split([len(D) for _, (_, D) in factors])
    return LowRank({layer: (U.double(), part) for (layer, (U, _)), part in zip(factors, parts, strict=True)})
