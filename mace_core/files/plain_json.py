"""JSON from files of others: any text is answered soon, with a value or a ValueError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .bounded import read_bounded
from .shown import shown

LARGEST = 2**20  # bytes of a file with settings
_DIGITS = 20  # of a whole number; Python needs minutes for those of a hostile file


def whole(digits: str) -> int | float:
    """``parse_int`` of json: a number of more than _DIGITS digits becomes a float."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(text, parse_int=whole)
    except RecursionError:
        raise json.JSONDecodeError("the JSON is nested too deeply", "", 0) from None


def read_object(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file of settings. Raises ValueError: too large, or without an object."""
    path = Path(path)
    try:
        found = loads(read_bounded(path, LARGEST, "a file of settings").decode("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{shown(path.name)} in {shown(path.parent.name)} is no JSON object: copy it again.")
    return found
