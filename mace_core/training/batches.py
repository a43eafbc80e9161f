"""Which concepts are trained together: as many neighbours of the same shape as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import takewhile
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_groups(
    items: Sequence[Item],
    most: int,
    shape: Callable[[Item], Hashable],
    train: Callable[[Sequence[Item]], Sequence[Result]],
    out_of_memory: Callable[[Exception], bool],
) -> Iterator[tuple[Sequence[Item], Sequence[Result]]]:
    """Yield each group of ``items`` with its results, in order, as soon as the group is finished.

    ``train`` gets at most ``most`` (1 or more) neighbours of the same ``shape`` and returns a result for
    each. If it raises an error that is ``out_of_memory``, the group is halved and started again, and no later
    group is larger. With a single item, the error is raised.
    """
    start = 0
    while start < len(items):
        wanted = shape(items[start])
        group = list(takewhile(lambda item: shape(item) == wanted, items[start : start + most]))
        try:
            results = train(group)
        except Exception as error:
            if len(group) == 1 or not out_of_memory(error):
                raise
            most = len(group) // 2
            continue
        yield group, results
        start += len(group)
