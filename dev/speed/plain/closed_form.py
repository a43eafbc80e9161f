"""Equation 2 for one layer: values of every prompt, and a float32 inverse."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def refined_weight(
    W: Tensor,
    pairs: Iterable[tuple[Tensor, Tensor]],
    P: Tensor | None = None,
    preserve_weight: float = 0.0,
    ridge: float = 0.0,
) -> Tensor:
    """W' ``[o, d]``, the minimum of sum |W' e_f - W e_g|^2 + l1 sum |W' e_p - W e_p|^2 + r |W' - W|^2.

    pairs: embeddings e_f and e_g ``[n, d]`` of the aligned tokens of each prompt and of its surrogate's;
    P: sum e_p e_p^T ``[d, d]``. All float32.
    """
    left, right = kept_sums(W, P, preserve_weight, ridge)
    for e_f, e_g in pairs:
        values = e_g @ W.T
        left += values.T @ e_f
        right += e_f.T @ e_f
    return solved(left, right)


def kept_sums(W: Tensor, P: Tensor | None, preserve_weight: float, ridge: float) -> tuple[Tensor, Tensor]:
    """What does not depend on a concept: l W P + r W ``[o, d]`` and l P + r I ``[d, d]``."""
    left, right = ridge * W, ridge * torch.eye(W.shape[1])
    if P is not None:
        left, right = left + preserve_weight * W @ P, right + preserve_weight * P
    return left, right


def solved(left: Tensor, right: Tensor) -> Tensor:
    """The minimum ``[o, d]``, from sums ``[o, d]`` and ``[d, d]``."""
    return left @ torch.inverse(right)
