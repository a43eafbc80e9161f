"""Records: frozen dataclasses that are written to JSON, and checked when they are read back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .shown import one_line, shown

Self = TypeVar("Self", bound="Record")


class Record:
    """Base of a frozen dataclass of strings, numbers, booleans, None, tuples, mappings and other records."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls: type[Self], data: object, what: str) -> Self:
        """The record that ``to_json`` wrote. ``what`` names it in errors; unknown fields are ignored.

        Raises ValueError for a missing field, a value of another type, or a value the record refuses.
        """
        if not isinstance(data, Mapping):
            raise _wrong(what, data, "an object with fields")
        hints = get_type_hints(cls)
        for field in fields(cls):
            required = field.default is MISSING and field.default_factory is MISSING
            if required and field.name not in data:
                raise ValueError(
                    f"{what} has no field {shown(field.name)}, which is required: make the file again."
                )
        known = (field.name for field in fields(cls) if field.name in data)
        values = {name: _read(hints[name], data[name], f"{what}, {name}") for name in known}
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None


def _read(hint: Any, value: object, what: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _read(next(each for each in arguments if each is not type(None)), value, what)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _wrong(what, value, "a list")
        return tuple(_read(arguments[0], each, what) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(what, value, "an object with fields")
        return {name: _read(arguments[1], each, f"{what}, {one_line(name)}") for name, each in value.items()}
    if issubclass(hint, Record):
        return hint.from_json(value, what)
    accepted = (int, float) if hint is float else (hint,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(what, value, f"of type {hint.__name__}")
    try:
        return hint(value)
    except OverflowError:
        raise _wrong(what, value, "a number of ordinary size") from None


def _wrong(what: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{what} is {shown(value)}, but must be {expected}: make the file again.")
