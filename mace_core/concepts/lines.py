"""The grammar of every list that people type: one item per line.

``#`` at the start of a line or after a space starts a comment, so ``C# logo`` is a name. ``->``, ``=>`` and
the arrow character separate a target from its surrogate. A word with a colon in front of an item is its kind.
In a name, a backslash makes the bracket or comma after it literal: ``artist \\(series\\)``, as in prompts.
Characters without width at the ends of words, which come along with copied text, are no part of an item.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ..files.shown import shown

_ARROW = "->|=>|\u2192"
_COMMENT = r"(^|\s)#.*$"
_PREFIX = r"^(\w+)\s*:\s*(.*)$"
_SPECIAL = "(),"
_ESCAPED = rf"\\([{_SPECIAL}])"
_JOINERS = "\u200c\u200d"  # inside a word they have a meaning: they make one emoji of several
_NO_WIDTH = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_INSIDE, _ANY = f"[{_NO_WIDTH}]", f"[{_NO_WIDTH}{_JOINERS}]"
# The second part starts only where such characters start: from each of them, a long run would take minutes.
_AT_ENDS = rf"(?<!\S){_ANY}+|(?<!{_ANY}){_ANY}+(?=\s|$|[:,()])"
_NO_TEXT = "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"  # control characters, and half a character
LONGEST_LINE = 20_000  # characters: a concept with hundreds of synonyms
MOST_LINES = 100_000  # of a text that is typed or pasted; longer lists of captions are files
LONGEST = 2000  # characters of a phrase or caption: the 75 tokens of a text encoder never need as many


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, item) for every line that holds more than a comment.

    Raises ValueError for more than MOST_LINES lines, or a line of more than LONGEST_LINE characters.
    """
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise ValueError(f"The text has {len(lines)} lines, but can have {MOST_LINES}: use a shorter list.")
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(
                f"Line {number} {shown(line)} has {len(line)} characters, but can have "
                f"{LONGEST_LINE}: shorten it."
            )
        if item := without_comment(line):
            yield number, item


def without_comment(line: str) -> str:
    """The item in a line, empty if there is none."""
    return re.sub(_COMMENT, "", trimmed(line)).strip()


def items(text: str) -> list[str]:
    """The items without their line numbers."""
    return [item for _, item in numbered(text)]


def names(text: str) -> list[str]:
    """The items as names, for lists in which each item is one."""
    return [literal(item) for item in items(text)]


def trimmed(text: str) -> str:
    """The text without characters that have no width at the ends of its words, and without outer spaces."""
    plain = text.isascii() or len(text) > LONGEST_LINE or not re.search(_ANY, text)
    return text.strip() if plain else re.sub(_AT_ENDS, "", text).strip()


def visible(text: str) -> str:
    """``trimmed``, and without such characters inside words, except those that join letters or emoji."""
    return text if text.isascii() else re.sub(_INSIDE, "", trimmed(text))


def literal(name: str) -> str:
    r"""``"artist \(series\)"`` gives ``"artist (series)"``."""
    return re.sub(_ESCAPED, r"\1", trimmed(name))


def escaped(name: str) -> str:
    r"""``"artist (series)"`` gives ``"artist \(series\)"``, which ``literal`` reads back."""
    return re.sub(f"([{_SPECIAL}])", r"\\\1", name)


def not_text(text: str) -> re.Match[str] | None:
    """The first control character or half of a character in a text."""
    return re.search(_NO_TEXT, text)


def unfit(text: str) -> str:
    """Why a text cannot be a phrase or a caption, as in "contains U+0000 ..."; empty if it can."""
    if len(text) > LONGEST:
        return f"has {len(text)} characters, but can have {LONGEST}"
    if wrong := not_text(text):
        return f"contains U+{ord(wrong[0]):04X}, which is not a character of a text"
    return ""


def sides(item: str) -> list[str]:
    """``"ship -> sea"`` gives ``["ship", "sea"]``; an item without an arrow has one side."""
    return [trimmed(side) for side in re.split(_ARROW, item)]


def prefixed(item: str, known: Collection[str], default: str, where: str = "") -> tuple[str, str]:
    """``"style: Monet"`` gives ``("style", "Monet")``; without a prefix the first value is ``default``.

    Raises ValueError if the prefix is not one of ``known``; ``where`` starts its message.
    """
    prefix = re.match(_PREFIX, item)
    if not prefix:
        return default, item
    if prefix[1].lower() not in known:
        raise ValueError(
            f"{where}{shown(item)} starts with the unknown kind {shown(prefix[1])}: "
            f"use one of {', '.join(known)}, or remove the colon."
        )
    return prefix[1].lower(), trimmed(prefix[2])
