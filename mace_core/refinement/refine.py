"""Stage 1: closed-form cross-attention refinement (section 4.1, equation 2)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..files.records import Record
from .moments import ConceptMoments, check_same_encoder
from .prior import Prior

# The pack's own settings of stages 1 and 3, chosen on the tuning split of the miniature (mini/splits.json)
# and measured on the others by `make results` and `make mass`.
PRESERVE_WEIGHT = 3e-5  # for each concept of a list, see presets.own_weight
RIDGE = 100.0
RELATIVE_RIDGE = 0.0  # 0.05 leaves a rabbit standing beside a long prior, see tests/e2e


@dataclass(frozen=True)
class RefineSettings(Record):
    """preserve_weight: l1 >= 0, how much the prior counts; ridge: r >= 0, the weight of no change at all;
    relative_ridge >= 0: what r gets in addition, as a share of the mean eigenvalue of the concepts' tokens.

    The paper: l1 = 1e-4 with a prior and r = 0 for many concepts; l1 = 0 and r = 1e1 to 1e3 for one object.
    A relative ridge is ours: it means the same for any list, prompt length and text encoder. Raises
    ValueError for a negative number, NaN or infinity.
    """

    preserve_weight: float = PRESERVE_WEIGHT
    ridge: float = RIDGE
    relative_ridge: float = RELATIVE_RIDGE

    def __post_init__(self) -> None:
        for name in ("preserve_weight", "ridge", "relative_ridge"):
            value = getattr(self, name)
            if not 0 <= value <= sys.float_info.max:
                raise ValueError(f"{name} is {value}, but must be at least 0 and finite: raise it.")


def refine(moments: Sequence[ConceptMoments], prior: Prior | None, settings: RefineSettings) -> Tensor:
    """T1 ``[d, d]`` float64, with W' = W T1 for every key and value projection W ``[o, d]``.

    Equation 2, with W factored out on the left and a ridge r:

        T1 = (G + l1 P + r I) (F + l1 P + r I)^-1

    Without concepts T1 is the identity. Raises ValueError: neither concepts nor a prior, different text
    encoders, a singular matrix (increase ridge).
    """
    if not moments and prior is None:
        raise ValueError("There are neither concepts nor a prior to refine with: add at least one concept.")
    fingerprints = [m.fingerprint for m in moments] + ([prior.fingerprint] if prior else [])
    widths = [m.F.shape[0] for m in moments] + ([prior.P.shape[0]] if prior else [])
    check_same_encoder("the concepts and the prior", fingerprints, widths)
    identity = torch.eye(widths[0], dtype=torch.float64)
    if not moments:
        return identity
    F = sum(m.F for m in moments)
    kept = ridge_term(settings, F) + prior_term(prior, settings)
    return right_divide(sum(m.G for m in moments) + kept, F + kept)


def ridge_term(settings: RefineSettings, seen: Tensor) -> Tensor:
    """r I ``[d, d]`` float64, r = ridge + relative_ridge * (the mean eigenvalue of ``seen`` ``[d, d]``, the
    second moment of the concepts' tokens: F in stage 1, sum_i C_i in stage 3)."""
    r = settings.ridge + settings.relative_ridge * seen.diagonal().mean().item()
    return r * torch.eye(len(seen), dtype=torch.float64)


def prior_term(prior: Prior | None, settings: RefineSettings) -> Tensor | float:
    """l P ``[d, d]`` float64: what the edit must not change; 0 without a prior."""
    return 0.0 if prior is None else settings.preserve_weight * prior.P.double()


def right_divide(A: Tensor, B: Tensor) -> Tensor:
    """A B^-1 ``[n, d]`` for A ``[n, d]`` and a symmetric positive definite B ``[d, d]``, by Cholesky in
    float64.

    Raises ValueError as ``factored`` does.
    """
    return divided(A, factored(B))


def factored(B: Tensor) -> Tensor:
    """The Cholesky factor L ``[d, d]`` of a symmetric positive definite B ``[d, d]``, to divide by more than
    once.

    Raises ValueError if B is not positive definite, or singular to working precision.
    """
    L, info = torch.linalg.cholesky_ex(B)
    pivots = L.diagonal().square()
    if info != 0 or not pivots.min() > B.shape[0] * torch.finfo(B.dtype).eps * pivots.max():
        raise ValueError(
            "The matrix is singular, because prompts and prior do not span the embedding space: "
            "increase ridge, for example to 10."
        )
    return L


def divided(A: Tensor, L: Tensor) -> Tensor:
    """A B^-1 ``[n, d]`` for A ``[n, d]`` and the factor L ``[d, d]`` of B (``factored``)."""
    return torch.cholesky_solve(A.T, L).T
