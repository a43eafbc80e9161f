"""Start ComfyUI's own main.py in this interpreter: `python dev/host/launch.py FOLDER [arguments]`.

Some builds of torch cannot load the compiled parts of torchvision and torchaudio, and hosts import both
unguarded. This module makes the rest of them importable, but only if the plain import fails.
"""

import importlib
import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

_declared = []  # the library object must live as long as the process


def make_importable() -> None:
    """Make torchvision and torchaudio importable: transformers imports both where they are installed."""
    make_torchvision_importable()
    make_torchaudio_importable()


def make_torchvision_importable() -> None:
    """Leave a working torchvision alone; otherwise declare the operators that its import requires."""
    import torch

    if _imports("torchvision"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    importlib.import_module("torchvision")


def make_torchaudio_importable() -> None:
    """Leave a working or missing torchaudio alone; otherwise import it without its compiled part."""
    if importlib.util.find_spec("torchaudio") is None or _imports("torchaudio"):
        return
    extension = ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = lambda function: function
    sys.modules[extension.__name__] = extension
    importlib.import_module("torchaudio")


def _imports(package: str) -> bool:
    """Whether the package imports as it is. If not, its partly loaded modules are removed."""
    try:
        importlib.import_module(package)
        return True
    except (ImportError, RuntimeError, OSError):
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]
        return False


def main(folder: str, *arguments: str) -> None:
    """Do what `python main.py ...` does in the ComfyUI folder."""
    script = Path(folder) / "main.py"
    make_importable()
    sys.argv = [str(script), *arguments]
    sys.path[0] = folder  # as Python does for a script; the pack must not import from the repository
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
