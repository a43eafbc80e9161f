"""Stage 3: closed-form fusion of the concept LoRAs (section 4.3, equation 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..refinement.moments import check_same_encoder
from ..refinement.prior import Prior
from ..refinement.refine import RefineSettings, kept_term, right_divide
from ..training.lora import ConceptLoRA


class FuseSettings(RefineSettings):
    """preserve_weight: l2 >= 0; ridge: r >= 0. The paper uses the values of stage 1."""


def fuse(
    T1: Tensor,
    loras: Sequence[ConceptLoRA],
    prior: Prior | None,
    settings: FuseSettings,
    kind_weights: Mapping[str, float] | None = None,
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """T* ``[d, d]``, U* layer -> ``[o, q]``, D* layer -> ``[q, d]``, all float64, with W* = W T* + U* D*.

    Equation 7 asks for the W* that gives, on every concept's own prompts, what that concept's LoRA gives, and
    that leaves the prior as it was. With W factored out on the left and Delta_i = U_i D_i:

        N  = sum_i C_i + l2 P + r I
        T* = [T1 (sum_i C_i + r I) + l2 P] N^-1
        U* = [U_1 .. U_n]        D* = [D_1 C_1 N^-1; ..; D_n C_n N^-1]

    The ridge pulls W* to W T1. C_i counts as often as ``kind_weights`` says of its concept's kind (1 for a
    kind that is not named). Raises ValueError: no LoRAs, different text encoders, different models, a
    matrix that is not positive definite (raise the ridge).
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
    C = sum(weight * lora.C for weight, lora in zip(weights, loras, strict=True))
    ridge = settings.ridge * torch.eye(len(T1), dtype=torch.float64)
    kept = kept_term(prior, settings, len(T1))  # l2 P + r I
    N = C + kept
    T = right_divide(T1 @ (C + ridge) + (kept - ridge), N)
    U, D = _concatenate(loras, weights, N)
    return T, U, D


def _concatenate(
    loras: Sequence[ConceptLoRA], weights: Sequence[float], N: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """U* and D* of every layer; C_i N^-1 is the share of direction e that concept i answers for."""
    U: dict[str, list[Tensor]] = {}
    D: dict[str, list[Tensor]] = {}
    for lora, weight in zip(loras, weights, strict=True):
        layers = sorted(lora.U)
        if not layers:
            continue
        rows = torch.cat([lora.D[name].double() for name in layers])  # [layers * r, d]
        shares = right_divide(weight * rows @ lora.C, N).split([len(lora.D[name]) for name in layers])
        for name, share in zip(layers, shares, strict=True):
            U.setdefault(name, []).append(lora.U[name].double())
            D.setdefault(name, []).append(share)
    for name, factors in U.items():
        if len({len(u) for u in factors}) > 1:
            raise ValueError(
                f"The concept LoRAs have different output widths at layer '{name}': "
                "fuse only LoRAs trained on the same kind of model."
            )
    return {name: torch.cat(u, dim=1) for name, u in U.items()}, {name: torch.cat(d) for name, d in D.items()}
