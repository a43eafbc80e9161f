"""MACE Concept Erasure: a ComfyUI node pack that erases concepts from diffusion models.

Importing this file only checks the host's version. Nothing is registered until the host calls
`comfy_entrypoint`. A host that is too old finds no entry point, and its log says why.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes.extension import MaceExtension

WEB_DIRECTORY = "./web"
OLDEST_HOST = "0.3.75"  # the oldest version that all tests ran on: docs/results/hosts.md


def _host_version() -> str:
    """The host's version; empty outside of a host."""
    try:
        from comfyui_version import __version__
    except ImportError:  # ComfyUI before 2025 has no version module
        return "older" if "folder_paths" in sys.modules else ""
    return __version__


def _too_old(version: str) -> bool:
    """Whether the host is older than OLDEST_HOST; an unreadable version, as of a fork, is accepted."""
    if version == "older":
        return True
    numbers, oldest = (_numbers(text) for text in (version, OLDEST_HOST))
    return len(numbers) == len(oldest) and numbers < oldest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())


if _too_old(_host_version()):
    logging.error(
        "MACE Concept Erasure needs ComfyUI %s or newer and this is %s: update ComfyUI.",
        OLDEST_HOST,
        _host_version(),
    )
else:

    async def comfy_entrypoint() -> MaceExtension:
        try:
            from .nodes.extension import MaceExtension
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"MACE Concept Erasure cannot run on ComfyUI {_host_version()} ({error}): "
                "update ComfyUI and this pack."
            ) from error
        return MaceExtension()
