"""The distance between two results that can round differently from one CPU to the next.

Which kernel multiplies two matrices depends on the CPU and on their shapes, and each kernel sums in its own
order. The error grows with the summed values, so no absolute tolerance fits every machine.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

# for loras_apart; observed: rounding 0.01, one of three steps left out 0.3, another seed 2
TRAINED = 0.05


def apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest expected value; NaN if either tensor is not finite."""
    assert found.shape == expected.shape
    found, expected = found.detach().double(), expected.detach().double()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def farthest(found: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """The largest ``apart`` of all pairs."""
    return max(apart(one, other) for one, other in zip(found, expected, strict=True))


def loras_apart(found, expected) -> float:
    """The difference of U D over all layers, relative to the expected norm.

    Entries are not compared one by one: where a gradient is zero except for rounding, Adam still moves the
    factor by a full step, in the direction of the rounding error.
    """
    assert found.low_rank.keys() == expected.low_rank.keys()
    one, other = (
        torch.cat([product(each.low_rank[name]).flatten() for name in expected.low_rank])
        for each in (found, expected)
    )
    return ((one - other).norm() / other.norm()).item()


def product(factors: tuple[Tensor, Tensor]) -> Tensor:
    """U D of one layer."""
    U, D = factors
    return U @ D


def identical(found, expected) -> bool:
    """Whether two low-rank edits have the same layers and bit-identical factors."""
    return found.keys() == expected.keys() and all(map(torch.equal, found.tensors, expected.tensors))
