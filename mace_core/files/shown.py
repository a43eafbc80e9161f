"""Values of users in sentences: errors, warnings and logs show them on one short line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

MOST = 80  # characters of one value
FEW = 5  # values of a list


def one_line(text: str) -> str:
    """The start of a text, MOST characters at most; what is not printable is escaped, surrogates too."""
    plain = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: MOST + 1])
    return plain if len(plain) <= MOST else f"{plain[: MOST - 3]}..."


def shown(value: object) -> str:
    """A text as ``one_line``, in quotes, and a path with its end; any other value as Python writes it."""
    if isinstance(value, PurePath):
        path = str(value)
        value = path if len(path) <= MOST else f"...{path[3 - MOST :]}"
    return f"'{one_line(value)}'" if isinstance(value, str) else one_line(repr(value))


def shown_each(values: Iterable[object]) -> str:
    """The first FEW values, each as ``shown``, and how many more there are."""
    values = list(values)
    more = f" and {len(values) - FEW} more" if len(values) > FEW else ""
    return ", ".join(map(shown, values[:FEW])) + more
