"""The grammar of every list that people type: one item per line.

``#`` at the start of a line or after a space starts a comment, so ``C# logo`` is a name. ``->``, ``=>`` and
the arrow character separate a target from its surrogate. A word with a colon in front of an item is its kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_ARROW = re.compile("->|=>|\u2192")
_COMMENT = re.compile(r"(^|\s)#.*$")
_PREFIX = re.compile(r"^(\w+)\s*:\s*(.*)$")


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, item) for every line that holds more than a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if item := _COMMENT.sub("", line).strip():
            yield number, item


def items(text: str) -> list[str]:
    """The items without their line numbers."""
    return [item for _, item in numbered(text)]


def sides(item: str) -> list[str]:
    """``"ship -> sea"`` gives ``["ship", "sea"]``; an item without an arrow has one side."""
    return [side.strip() for side in _ARROW.split(item)]


def prefixed(item: str, known: Collection[str], default: str, where: str = "") -> tuple[str, str]:
    """``"style: Monet"`` gives ``("style", "Monet")``; without a prefix the first value is ``default``.

    Raises ValueError if the prefix is not one of ``known``; ``where`` starts its message.
    """
    prefix = _PREFIX.match(item)
    if not prefix:
        return default, item
    if prefix[1].lower() not in known:
        raise ValueError(
            f"{where}'{item}' starts with the unknown kind '{prefix[1]}': "
            f"use one of {', '.join(known)}, or remove the colon."
        )
    return prefix[1].lower(), prefix[2]
