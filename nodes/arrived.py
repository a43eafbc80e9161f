"""What arrives at a node, checked once before it runs.

The host checks widgets only, some hosts no lists of choices, and none of them NaN or a number on a wire.
"""

import re
from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real
from typing import Any

from comfy_api.latest import io

from ..mace_core.files.shown import shown, shown_each
from .sockets import listed

_HALF = "[\ud800-\udfff]"  # of a character: valid JSON, but no log or file can hold it
_WRITTEN = (str, bytes, bool, int, float, dict)  # what JSON can put in the place of a wire
_DICTS = ("LATENT", "LOSS_MAP")  # wires that carry one


def checked(*open_lists: str) -> Callable:
    """For `execute`: raises ValueError, in one sentence, for a value that its input cannot have.

    open_lists: choices that change while the host runs, such as files; the node looks them up itself.
    """

    def decorate(execute: Callable) -> Callable:
        declared: list[io.Input] = []

        @wraps(execute)
        def run(cls, **given: Any) -> io.NodeOutput:
            if not declared:
                declared.extend(cls.define_schema().inputs)
            for each in declared:
                if each.id in given and not (given[each.id] is None and each.optional):
                    for value in listed(given[each.id]):
                        _check(each, value, each.id in open_lists)
            return execute(cls, **given)

        return run

    return decorate


def _check(declared: io.Input, value: Any, is_open: bool) -> None:
    if isinstance(declared, io.String.Input):
        expected = _of_text(value)
    elif isinstance(declared, io.Combo.Input):
        fits = isinstance(value, str) if is_open else value in declared.options
        expected = "" if fits else f"be one of {shown_each(declared.options)}: choose one"
    elif isinstance(declared, (io.Int.Input, io.Float.Input)):
        expected = _of_number(declared, value)
    elif isinstance(declared, io.Boolean.Input):
        expected = ""
    else:
        expected = _of_wire(declared.get_io_type(), value)
    if expected:
        raise ValueError(f"The input {shown(declared.id)} is {shown(value)}, but must {expected}.")


def _of_text(value: Any) -> str:
    if not isinstance(value, str):
        return "be a text: write one"
    half = re.search(_HALF, value)
    return f"not contain U+{ord(half[0]):04X}, which is half a character: type it again" if half else ""


def _of_number(declared: io.Input, value: Any) -> str:
    kind, called = (Integral, "whole number") if isinstance(declared, io.Int.Input) else (Real, "number")
    if not isinstance(value, kind) or isinstance(value, bool) or value != value:
        return f"be a {called}: correct it"
    fits = declared.min <= value <= declared.max
    return "" if fits else f"be from {declared.min} to {declared.max}: change it"


def _of_wire(kind: str, value: Any) -> str:
    if value is None or isinstance(value, _WRITTEN) and not (isinstance(value, dict) and kind in _DICTS):
        return "come from another node: connect it"
    if kind == "LATENT" and not (isinstance(value, dict) and hasattr(value.get("samples"), "shape")):
        return "hold latents: connect an Empty Latent Image"
    return ""
