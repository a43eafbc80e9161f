"""A worker of a Ray cluster: ComfyUI in its process, and the checkpoint that an order names."""

import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .host import load_host
from .inputs import check_checkpoint, load_checkpoint
from .nodes import LoadedNodes
from .progress import Line

# ComfyUI wraps the buffers of both. Without another reference, Ray's streams would be deleted, which closes
# these buffers.
_STREAMS = sys.stdout, sys.stderr
_checkpoint: dict[str, tuple[Any, Any, Any]] = {}  # the last one, by its name


def carry_out(arguments: Sequence[str], order: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to an order of nodes/work/remote.py, or a sentence as `error`.

    arguments: ComfyUI's own, for the first order.
    """
    try:
        return _answer(load_host(arguments), order)
    except (ValueError, OSError) as error:
        said = " ".join(str(error).split())
    except SystemExit:  # of ComfyUI's parser
        said = f"this ComfyUI does not know all of its arguments {' '.join(arguments)}: use the same version."
    return {"error": f"On the worker {platform.node()}: {said}"}


def _answer(host: LoadedNodes, order: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    own, name = host.module("mace_core.version").VERSION, order["checkpoint"]
    if order["version"] != own:
        raise ValueError(f"this pack has version {own}, not {order['version']}: install the same one there.")
    if name not in _checkpoint:
        check_checkpoint(name)
        _checkpoint.clear()
        _checkpoint[name] = load_checkpoint(host, name, Line(quiet=True))
    torch.set_num_threads(order["threads"])
    with torch.inference_mode():
        return host.module("nodes.work.remote").carried_out(order, *_checkpoint[name])
