"""The pooled text vector, which SDXL's U-Net reads beside the tokens: its edit, and the gate of that edit.

SDXL adds ``label_emb`` of one vector per prompt to its time embedding, so a concept survives there when all
tokens have left it. Equation 2 holds for these vectors as for tokens, with the first layer of ``label_emb``
as W:

    p' = p + g(p) (T_p - I) p

T_p - I has a low rank and is stored as two factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..files.shown import shown
from ..refinement.moments import ConceptMoments
from ..refinement.prior import Prior
from ..refinement.refine import RefineSettings, prior_term, refine

LAYER = "diffusion_model.label_emb.0.0"  # its first p columns read the pooled vector, the others the size
DROPPED = 1e-4  # of the norm of T_p - I
LEAST_RIDGE = 1e-7  # of the mean eigenvalue
_GATE = ("centre", "spread", "prototypes", "ramps")


@dataclass(frozen=True, eq=False)
class PooledGate:
    """Prototypes of n phrases, all tensors float32.

    centre: ``[p]``, what pooled vectors have in common; spread: ``[p, m]``, what differs between templates,
    which x - spread spread^T x shrinks; prototypes: ``[n, p]``, unit length; ramps: ``[2, n]``, the cosines
    below which g is 0 and above which it is 1. Raises ValueError if the shapes do not fit together or a
    number is not finite.
    """

    centre: Tensor
    spread: Tensor
    prototypes: Tensor
    ramps: Tensor

    def __post_init__(self) -> None:
        tensors = tuple(self.state().values())
        p, m, n = self.centre.shape[-1], self.spread.shape[-1], self.prototypes.shape[0]
        if [tuple(tensor.shape) for tensor in tensors] != pooled_gate_shapes(p, m, n):
            raise ValueError("The tensors of the pooled gate do not fit together: make the erasure again.")
        if not all(tensor.is_floating_point() and tensor.isfinite().all() for tensor in tensors):
            raise ValueError("The pooled gate contains NaN or infinity: make the erasure again.")

    @property
    def width(self) -> int:
        """p, the width of a pooled vector."""
        return self.centre.shape[0]

    def state(self) -> dict[str, Tensor]:
        """Name -> tensor, shapes as above."""
        return {name: getattr(self, name) for name in _GATE}

    def to(self, device: torch.device | str, copy: bool = False) -> PooledGate:
        """The gate on another device; tensors of any shape."""
        return PooledGate(*(tensor.to(device, copy=copy) for tensor in self.state().values()))


def pooled_gate_shapes(p: int, m: int, n: int) -> list[tuple[int, ...]]:
    """The shapes of a pooled gate of n phrases: ``[p]``, ``[p, m]``, ``[n, p]``, ``[2, n]``."""
    return [(p,), (p, m), (n, p), (2, n)]


def joined_pooled(gates: Sequence[PooledGate]) -> PooledGate:
    """The gate of all phrases of some gates with the same centre ``[p]`` and spread ``[p, m]``."""
    return replace(
        gates[0],
        prototypes=torch.cat([gate.prototypes for gate in gates]),
        ramps=torch.cat([gate.ramps for gate in gates], 1),
    )


def pooled_gate_values(gate: PooledGate, p: Tensor) -> Tensor:
    """g ``[...]`` in 0..1 for pooled vectors ``[..., p]``, in float32."""
    cosine = whitened(p.float() - gate.centre, gate.spread) @ gate.prototypes.T
    low, high = gate.ramps
    return ((cosine - low) / (high - low)).clamp(0, 1).amax(-1)


def whitened(x: Tensor, spread: Tensor) -> Tensor:
    """x - spread spread^T x for centred vectors x ``[..., p]`` and spread ``[p, m]``, scaled to unit
    length."""
    return normalize(x - x @ spread @ spread.T, dim=-1)


@dataclass(frozen=True, eq=False)
class PooledEdit:
    """T_p = I + up down: up ``[p, k]`` and down ``[k, p]``, float32. Raises ValueError if they do not fit
    together or a number is not finite."""

    up: Tensor
    down: Tensor

    def __post_init__(self) -> None:
        if self.up.ndim != 2 or tuple(self.down.shape) != tuple(self.up.shape[::-1]):
            raise ValueError("The pooled part of the erasure does not fit together: make the erasure again.")
        if not (self.up.isfinite().all() and self.down.isfinite().all()):
            raise ValueError("The pooled part of the erasure contains NaN or infinity: make it again.")

    @property
    def width(self) -> int:
        """p, the width of a pooled vector."""
        return self.up.shape[0]


def pooled_edit(
    moments: Sequence[ConceptMoments], prior: Prior | None, settings: RefineSettings
) -> PooledEdit:
    """Equation 2 for the moments of pooled vectors. Raises ValueError as ``refine`` does.

    A prior has one vector per caption, often fewer than p, so a ridge of 0 is raised a little.
    """
    p = len(moments[0].F)
    total = sum(each.F for each in moments) + prior_term(prior, settings)
    least = LEAST_RIDGE * float(total.diagonal().mean())
    T = refine(moments, prior, replace(settings, ridge=max(settings.ridge, least)))
    change = T - torch.eye(p, dtype=torch.float64)
    energy, U = torch.linalg.eigh(change @ change.T)  # rising; several times faster than an SVD of the change
    left_out = energy.clamp(min=0).cumsum(0)
    dropped = min(p - 1, int((left_out <= DROPPED**2 * left_out[-1]).sum()))
    up = U[:, dropped:]
    # contiguous, as a file gives them: products round the same
    return PooledEdit(up.float().contiguous(), (up.T @ change).float().contiguous())


def edited_pooled(W: Tensor, edit: PooledEdit, strength: float = 1.0) -> Tensor:
    """The weight W ``[o, p + ...]`` of ``LAYER`` with W T_p in its first p columns, by ``strength``, in
    float32 on the device of W. Strength 0 returns W itself."""
    check_pooled_fits(W, edit)
    if strength == 0:
        return W
    W = W.float().clone()
    p = edit.width
    W[:, :p] += strength * (W[:, :p] @ edit.up.to(W) @ edit.down.to(W))
    return W


def check_pooled_fits(W: Tensor, edit: PooledEdit) -> None:
    """Raise ValueError if W ``[o, p + ...]`` has fewer columns than a pooled vector of ``edit``."""
    if W.ndim != 2 or W.shape[1] < edit.width:
        raise ValueError(
            f"The layer {shown(LAYER)} has a weight of shape {list(W.shape)} and the erasure was made for "
            f"pooled vectors of {edit.width}: use a MODEL of the family that the erasure was made with."
        )
