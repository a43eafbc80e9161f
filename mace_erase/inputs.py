"""What the user names on the command line: a checkpoint, an erasure, files anywhere on disk."""

import difflib
import os
import re
from pathlib import Path
from typing import Any

from .nodes import LoadedNodes
from .progress import Line

ENDING = ".safetensors"
LARGEST_TEXT = 4 * 2**20  # bytes of a list of names or prompts


def read(host: LoadedNodes, path: str, most: int, what: str) -> bytes:
    """The content of a file of at most ``most`` bytes; ``what`` is it, as in "a list of concepts".

    Raises ValueError if it is larger, or cannot be read.
    """
    return host.module("mace_core.files.bounded").read_bounded(Path(path).expanduser(), most, what)


def read_text(host: LoadedNodes, path: str | None) -> str:
    """The text of a file, or an empty text without a path. Raises ValueError if it cannot be read."""
    try:
        return read(host, path, LARGEST_TEXT, "a list").decode("utf-8-sig") if path else ""
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' is not UTF-8 text: save it as UTF-8.") from None


def check_checkpoint(name: str) -> None:
    """Raise ValueError, with similar names, if ComfyUI does not list this checkpoint."""
    import folder_paths

    names = folder_paths.get_filename_list("checkpoints")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names[:3]
        raise ValueError(
            f"There is no checkpoint '{name}' in models/checkpoints: use one such as {', '.join(near)}."
        )


def load_checkpoint(host: LoadedNodes, name: str, line: Line) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE. Raises ValueError if the file does not hold all three."""
    line.say(f"Load checkpoint: {name}")
    try:
        model, clip, vae = host.call("CheckpointLoaderSimple", ckpt_name=name)[:3]
    except (RuntimeError, OSError, KeyError) as error:
        raise ValueError(
            f"ComfyUI cannot load the checkpoint '{name}' ({error}): use another file."
        ) from error
    if model is None or clip is None or vae is None:
        raise ValueError(
            f"The checkpoint '{name}' lacks a U-Net, text encoder or VAE: use one that has all three."
        )
    return model, clip, vae


def load_erasure(host: LoadedNodes, name: str) -> Any:
    """An erasure by its name in models/mace, with or without extension, or by the path of any file."""
    if not os.path.isfile(name):
        name = name if name.lower().endswith(ENDING) else f"{name}{ENDING}"
    if os.path.isfile(name):
        return host.module("mace_core.erasure.erasure_file").load_erasure(name)
    return host.run("MACE_LoadErasure", name=name)[0]


def stem(path: str) -> str:
    """``"my list.csv"`` as a name for files: ``"my_list"``."""
    return re.sub(r"\W+", "_", Path(path).stem).strip("_") or "erasure"
