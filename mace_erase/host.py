"""ComfyUI in this process: found, and started with its own arguments as main.py does, without a server."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .nodes import LoadedNodes, load_nodes

PACK = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # not resolved, see __main__.py
VARIABLE = "COMFYUI_PATH"
# No other pack is loaded, and the host reports errors only; arguments of the user come later and win.
QUIET = ("--disable-all-custom-nodes", "--verbose", "ERROR")
VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES")
_loaded: list[LoadedNodes] = []  # a host cannot be unloaded or started twice


def comfyui_folder() -> str:
    """The ComfyUI in COMFYUI_PATH, or the one whose custom_nodes holds this pack. Raises ValueError."""
    own = os.environ.get(VARIABLE)
    folder = os.path.abspath(os.path.expanduser(own) if own else os.path.join(PACK, "..", ".."))
    if os.path.isfile(os.path.join(folder, "main.py")) and os.path.isdir(os.path.join(folder, "comfy")):
        return folder
    if own:
        raise ValueError(
            f"{VARIABLE} is {folder}, which has no main.py and comfy: set it to a ComfyUI folder."
        )
    raise ValueError(
        f"No ComfyUI around this pack, which is in {PACK}: put the pack into ComfyUI/custom_nodes or "
        f"set {VARIABLE} to the ComfyUI folder."
    )


def load_host(arguments: Sequence[str] = ()) -> LoadedNodes:
    """Start ComfyUI with these arguments of its own and load this pack; once per process.

    Raises ValueError if ComfyUI is not found or does not start in this Python, and SystemExit with the status
    2 for arguments that ComfyUI does not know.
    """
    if not _loaded:
        folder = comfyui_folder()
        sys.path.insert(0, folder)  # first, because the pack and ComfyUI both have something called `nodes`
        sys.argv = [os.path.join(folder, "main.py"), *QUIET, *arguments]
        try:
            _start(folder)
        except (ImportError, RuntimeError, AssertionError) as error:  # the last one without a GPU
            raise ValueError(
                f"ComfyUI in {folder} does not start with {sys.executable} ({error}): use the Python and the "
                "arguments that usually start this ComfyUI, such as -- --cpu."
            ) from error
        _loaded.append(load_nodes(PACK))
    return _loaded[0]


def _start(folder: str) -> None:
    """Import main.py, which starts everything but the server unless it is run as a script."""
    import_module("comfy.options").enable_args_parsing()
    _choose_device(import_module("comfy.cli_args").args)
    import_module("cuda_malloc")
    import_module("main")


def _choose_device(args: Any) -> None:
    """What main.py does only as a script, before torch is imported."""
    if args.cuda_device not in (None, "all"):
        os.environ.update(dict.fromkeys(VISIBLE, str(args.cuda_device)))
    if args.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def use_own_temporary_folder() -> None:
    """Nodes save previews, which nobody sees here; a server of the same ComfyUI must not be disturbed."""
    import folder_paths

    folder = tempfile.mkdtemp(prefix="mace-erase-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder_paths.set_temp_directory(folder)


def output_file(relative: str) -> Path:
    """A file in ComfyUI's output folder."""
    import folder_paths

    return Path(folder_paths.get_output_directory(), relative)
