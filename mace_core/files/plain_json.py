"""JSON from files of others: any text is answered soon, with a value or a ValueError."""

from __future__ import annotations

import json
from typing import Any

_DIGITS = 20  # of a whole number; Python needs minutes for those of a hostile file


def whole(digits: str) -> int | float:
    """``parse_int`` of json: a number of more than _DIGITS digits becomes a float."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(text, parse_int=whole)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
