"""An erasure in a form that other programs load: one low-rank or full difference per layer of one U-Net.

Other programs cannot multiply a weight by T, so W (T - I) is computed for the weights of one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .erasure import Erasure, edited_weight
from .erasure_file import balanced

OVERSAMPLING, ITERATIONS = 16, 4  # of the randomised SVD
UP, DOWN = "lora_up.weight", "lora_down.weight"


@dataclass(frozen=True, eq=False)
class LayerDelta:
    """What represents W T + U D - W in a file, and how exactly; all norms are squared Frobenius norms.

    tensors: end of their key -> tensor as stored. change: norm of W T + U D - W; error: norm of the part that
    ``tensors`` lack, including their rounding. closed_form: norm of W (T - I); lost: norm of the part that
    its approximation lacks.
    """

    tensors: dict[str, Tensor]
    change: float
    error: float
    closed_form: float = 0.0
    lost: float = 0.0


def full_delta(W: Tensor, layer: str, erasure: Erasure, dtype: torch.dtype) -> LayerDelta:
    """W T + U D - W for W ``[o, d]``, stored in ``dtype``. Raises ValueError as ``edited_weight`` does."""
    change = _change(W, layer, erasure)
    stored = change.to(dtype)
    return LayerDelta({"diff": stored}, _energy(change), _energy(change - stored))


def low_rank_delta(W: Tensor, layer: str, erasure: Erasure, rank: int, dtype: torch.dtype) -> LayerDelta:
    """U D, and the best approximation of W (T - I) of ``rank`` >= 0, for W ``[o, d]``.

    The rank of the result is ``rank`` plus that of U D, or less if ``rank`` exceeds o or d.
    Raises ValueError as ``edited_weight`` does.
    """
    change = _change(W, layer, erasure)
    factors = erasure.low_rank.get(layer)
    closed_form = change if factors is None else change - factors[0] @ factors[1]
    up, down = best_factors(closed_form, min(rank, *closed_form.shape))
    lost = _energy(closed_form - up @ down)
    if factors is not None:
        up, down = torch.cat([factors[0], up], dim=1), torch.cat([factors[1], down])
    up, down = (factor.to(dtype).contiguous() for factor in balanced(up, down))
    error = _energy(change - up.float() @ down.float())
    return LayerDelta({UP: up, DOWN: down}, _energy(change), error, _energy(closed_form), lost)


def of_one_rank(deltas: Mapping[str, LayerDelta]) -> dict[str, LayerDelta]:
    """Low-rank deltas, padded with zeros to the largest rank among them, with an alpha of the same value.

    Then nothing is scaled: diffusers ignores alpha in a file with different ranks.
    """
    most = max(len(delta.tensors[DOWN]) for delta in deltas.values())
    alpha = torch.tensor(float(most))
    return {
        name: replace(delta, tensors=_filled(delta.tensors, most) | {"alpha": alpha.clone()})
        for name, delta in deltas.items()
    }


def _filled(tensors: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    missing = rank - len(tensors[DOWN])
    return {
        UP: torch.nn.functional.pad(tensors[UP], (0, missing)),
        DOWN: torch.nn.functional.pad(tensors[DOWN], (0, 0, 0, missing)),
    }


def best_factors(A: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """B ``[o, rank]`` and V ``[rank, d]`` whose product is A ``[o, d]`` cut after its ``rank`` largest
    singular values.

    By block power iterations, because a full SVD of SDXL's 140 layers takes minutes. The error is within a
    hundredth of the smallest possible, and zero where rank plus a margin reaches o or d. The same A gives the
    same factors.
    """
    generator = torch.Generator().manual_seed(0)
    columns = min(rank + OVERSAMPLING, *A.shape)
    Q = torch.linalg.qr(A @ torch.randn(A.shape[1], columns, generator=generator))[0]
    for _ in range(ITERATIONS):
        Q = torch.linalg.qr(A @ torch.linalg.qr(A.T @ Q)[0])[0]
    X, S, V = torch.linalg.svd(Q.T @ A, full_matrices=False)
    return Q @ (X[:, :rank] * S[:rank]), V[:rank]


def _change(W: Tensor, layer: str, erasure: Erasure) -> Tensor:
    return edited_weight(W, layer, erasure) - W.float()


def _energy(x: Tensor) -> float:
    return float(x.double().square().sum())
