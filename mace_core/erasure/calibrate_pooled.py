"""Makes the gate of pooled vectors, as calibrate.py makes that of tokens, from the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .pooled import PooledGate, whitened

SHRINKAGE = 0.1  # of the covariance, relative to its mean eigenvalue
RAMP = (0.35, 0.5)  # of the end token, which pooled vectors are made of: see RAMPS in calibrate.py
CLOSE = 0.1  # least distance between a concept and the closest other name, so that the ramp has a slope
LEAST = 1e-3  # of how much a direction is shrunk; directions below it are left out


@dataclass(frozen=True, eq=False)
class PooledReference:
    """Pooled vectors of everyday names. centre ``[p]``, spread ``[p, m]``: as in PooledGate; rows
    ``[n + 1, p]``: of the n prompts of the Reference, and of the empty prompt; beside ``[m, p]``: of its
    prompts with two names; all float32."""

    centre: Tensor
    spread: Tensor
    rows: Tensor
    beside: Tensor


def pooled_reference(names: Sequence[Tensor], empty: Tensor, beside: Tensor) -> PooledReference:
    """The reference from the pooled vectors ``[templates, p]`` of each name, ``[1, p]`` of the empty prompt,
    and ``[m, p]`` of prompts with two names."""
    rows = torch.cat([*names])
    apart = torch.cat([each - each.mean(0) for each in names]).double() / len(rows) ** 0.5
    _, S, V = torch.linalg.svd(apart, full_matrices=False)
    shrinkage = SHRINKAGE * S.square().sum() / apart.shape[1]
    weight = 1 - (shrinkage / (S.square() + shrinkage)).sqrt()
    kept = weight > LEAST
    spread = V[kept].T * weight[kept].sqrt()
    return PooledReference(rows.mean(0), spread.float().contiguous(), torch.cat([rows, empty]), beside)


def calibrated_pooled(
    own: Tensor, others: Tensor, reference: PooledReference, common: Tensor | None = None
) -> PooledGate:
    """The gate of one concept from the pooled vectors of its prompts ``[phrases, m, p]`` and of everything
    that is not the concept ``[n, p]``; common ``[k, p]`` as in ``prototypes_of``."""
    centre, spread = reference.centre, reference.spread
    white = whitened(own - centre, spread)
    away = 0 if common is None else whitened(common - centre, spread).mean(0)
    prototypes = normalize(white.mean(1) - away, dim=-1)  # [phrases, p]
    near = torch.einsum("nmp,np->nm", white, prototypes).median(-1).values
    closest = (whitened(others - centre, spread) @ prototypes.T).amax(0)
    span = (near - closest).clamp(min=CLOSE)
    return PooledGate(centre, spread, prototypes, closest + torch.tensor(RAMP)[:, None] * span)
