"""Which concepts are trained together: as many of one shape as fit, in the order they are given."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import takewhile
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_groups(
    items: Sequence[Item],
    most: int,
    shape: Callable[[Item], Hashable],
    train: Callable[[int, Sequence[Item]], Sequence[Result]],
    out_of_memory: Callable[[Exception], bool],
) -> Iterator[Result]:
    """Yield the results of ``items`` in order, each group's as soon as the group is finished.

    ``train(start, group)`` gets the place of the group's first item and at most ``most`` (1 or more)
    neighbours of one ``shape``, and gives one result for each. When it raises what is ``out_of_memory`` the
    group is halved and begun anew, and no later one is larger; with a single item the error is passed on.
    """
    start = 0
    while start < len(items):
        wanted = shape(items[start])
        group = list(takewhile(lambda item: shape(item) == wanted, items[start : start + most]))
        try:
            results = train(start, group)
        except Exception as error:
            if len(group) == 1 or not out_of_memory(error):
                raise
            results, most = [], len(group) // 2
        yield from results
        start += len(results)
