"""MACE Concept Erasure: erase concepts from the text-to-image MODEL on the wire.

Importing this file only looks at the host's version: the host calls `comfy_entrypoint`, and only then is
anything registered. A host that is too old finds no entry point, and the log says why.
"""

import logging
import sys

WEB_DIRECTORY = "./web"
OLDEST_HOST = "0.3.75"  # the lowest version all tests were run on: docs/results/hosts.md


def _host_version() -> str:
    """Empty outside of a host."""
    try:
        from comfyui_version import __version__
    except ImportError:  # ComfyUI before 2025 does not say
        return "older" if "folder_paths" in sys.modules else ""
    return __version__


def _too_old(version: str) -> bool:
    """A version that cannot be read, as of a fork, is given the benefit of the doubt."""
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

    async def comfy_entrypoint():
        try:
            from .nodes.extension import MaceExtension
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"MACE Concept Erasure finds no place in ComfyUI {_host_version()} ({error}): "
                "update ComfyUI and this pack."
            ) from error
        return MaceExtension()
