"""CPU seconds and peak memory of calls, in turn, and how fast this machine is.

CPU time, not time on the clock: other processes share the cores. Ways are measured in turn, so that a ratio
is of two calls that ran one after the other.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

from dev.fullsize.measure import MIB, reset_peak, resident


@dataclass(frozen=True)
class Taken:
    """result: of the call; seconds: of CPU; mib: peak resident memory above that before the call."""

    result: Any
    seconds: float
    mib: float


def taken(work: Callable[[], Any]) -> Taken:
    """What `work()` takes."""
    reset_peak()
    before, started = resident("VmRSS"), time.process_time()
    result = work()
    seconds = time.process_time() - started
    return Taken(result, seconds, max(0.0, resident("VmHWM") - before))


def in_turn(rounds: int, **ways: Callable[[], Any]) -> dict[str, list[Taken]]:
    """Way -> what it takes, `rounds` times; every other round in reverse order. Results are dropped."""
    found: dict[str, list[Taken]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            one = taken(ways[name])
            found[name].append(Taken(None, one.seconds, one.mib))
    return found


def compared(
    case: str, ours: Sequence[float], plain: Sequence[float], limit: float | None = None, **more: Any
) -> dict[str, Any]:
    """A row of a table. ours, plain: CPU seconds, those of the same place measured one after the other;
    limit: CPU seconds that no implementation can go below."""
    ratios = [b / a for a, b in zip(ours, plain, strict=True)]
    return {
        "case": case,
        "ours": rounded(median(ours)),
        "plain": rounded(median(plain)),
        "ratio": rounded(median(ratios)),
        "spread": [rounded(min(ratios)), rounded(max(ratios))],
        "limit": None if limit is None else rounded(limit),
        **more,
    }


def rounded(value: float) -> float:
    """Four digits: more would only be noise in the committed numbers."""
    return float(f"{value:.4g}")


@cache
def products_per_second(dtype: str) -> float:
    """Floating-point operations per CPU second in the product of two large matrices: "float64", "float32"."""
    import torch

    size = 1536
    a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
    return 2 * size**3 / _fastest(lambda: a @ b)


@cache
def bytes_copied_per_second() -> float:
    """Bytes read and written per CPU second where nothing is computed."""
    import torch

    a = torch.zeros(64 * MIB // 4)
    b = torch.empty_like(a)
    return 2 * a.numel() * 4 / _fastest(lambda: b.copy_(a))


@cache
def bytes_hashed_per_second() -> float:
    """Bytes of SHA-256 per CPU second."""
    data = bytes(64 * MIB)
    return len(data) / _fastest(lambda: hashlib.sha256(data).digest())


def _fastest(work: Callable[[], Any], times: int = 4) -> float:
    return min(taken(work).seconds for _ in range(times))
