"""Equation 7 for one layer: values of every prompt of every concept, and a float32 inverse."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from dev.speed.plain.closed_form import kept_sums, solved

Trained = tuple[Tensor, Tensor, Iterable[Tensor]]  # U [o, r], D [r, d], embeddings [n, d] of each prompt


def fused_weight(
    W: Tensor,
    refined: Tensor,
    concepts: Iterable[Trained],
    P: Tensor | None = None,
    preserve_weight: float = 0.0,
    ridge: float = 0.0,
) -> Tensor:
    """W* ``[o, d]``, the minimum of sum_i sum |W* e - (W' + U_i D_i) e|^2 + l2 sum |W* e_p - W e_p|^2
    + r |W* - W'|^2, for W and W' = `refined` ``[o, d]``. All float32."""
    left, right = kept_sums(W, P, preserve_weight, 0.0)
    pull, ridged = kept_sums(refined, None, 0.0, ridge)
    left, right = left + pull, right + ridged
    for U, D, prompts in concepts:
        for e in prompts:
            values = e @ refined.T + e @ D.T @ U.T
            left += values.T @ e
            right += e.T @ e
    return solved(left, right)
