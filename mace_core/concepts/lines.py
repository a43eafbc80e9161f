"""One grammar for lists that people type: one item per line.

``#`` at the start of a line or after a space begins a comment, so ``C# logo`` is a name. ``->``, ``=>`` and
the arrow character separate a target from its surrogate. A word and a colon in front are a kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_ARROW = re.compile("->|=>|\u2192")
_COMMENT = re.compile(r"(^|\s)#.*$")
_PREFIX = re.compile(r"^(\w+)\s*:\s*(.*)$")


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, item) of every line that holds more than a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if item := _COMMENT.sub("", line).strip():
            yield number, item


def items(text: str) -> list[str]:
    """The items alone."""
    return [item for _, item in numbered(text)]


def sides(item: str) -> list[str]:
    """``"ship -> sea"`` -> ``["ship", "sea"]``; one side where there is no arrow."""
    return [side.strip() for side in _ARROW.split(item)]


def prefixed(item: str, known: Collection[str], otherwise: str, where: str = "") -> tuple[str, str]:
    """``"style: Monet"`` -> ``("style", "Monet")``; without a prefix it is ``otherwise``.

    Raises ValueError when the prefix is none of ``known``; ``where`` begins the sentence.
    """
    prefix = _PREFIX.match(item)
    if not prefix:
        return otherwise, item
    if prefix[1].lower() not in known:
        raise ValueError(
            f"{where}'{item}' starts with the unknown kind '{prefix[1]}': "
            f"use one of {', '.join(known)}, or leave the colon out."
        )
    return prefix[1].lower(), prefix[2]
