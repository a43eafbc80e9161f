"""How far apart two results are that one processor may round otherwise than the next.

Which kernel multiplies two matrices depends on the processor and on their shape, and each sums in an order of
its own. What that costs grows with the values that are summed: no absolute tolerance fits every machine.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

# of loras_apart: rounding was seen to cost 0.01, one step of three left out 0.3, another seed 2
TRAINED = 0.05


def apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest value expected; NaN where either is not finite."""
    assert found.shape == expected.shape
    found, expected = found.detach().double(), expected.detach().double()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def farthest(found: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """The pair that is farthest apart."""
    return max(apart(one, other) for one, other in zip(found, expected, strict=True))


def loras_apart(found, expected) -> float:
    """The difference of U D, of all layers at once, as a share of what is expected.

    Not entry by entry: where a gradient is zero but for its rounding, Adam still moves the factor a whole
    step, to the side that the rounding fell on.
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
    """Whether two low-rank edits have the same layers and factors, bit for bit."""
    return found.keys() == expected.keys() and all(map(torch.equal, found.tensors, expected.tensors))
