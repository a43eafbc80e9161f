"""Start ComfyUI's own main.py in this interpreter: `python dev/launch_host.py FOLDER [arguments]`.

Some CPU builds of torch cannot load torchvision's compiled part, and the host imports torchvision unguarded.
Declaring two of its operators first lets the rest load; done here, and only when the plain import fails.
"""

import importlib
import runpy
import sys
from pathlib import Path

_declared = []  # the library object must live as long as the process


def make_torchvision_importable() -> None:
    """Leave a working torchvision alone; otherwise declare the operators its import asks for."""
    import torch

    try:
        import torchvision  # noqa: F401
        return
    except (ImportError, RuntimeError, OSError):
        pass
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    importlib.import_module("torchvision")


def main(folder: str, *arguments: str) -> None:
    """What `python main.py ...` inside the ComfyUI folder does."""
    script = Path(folder) / "main.py"
    make_torchvision_importable()
    sys.argv = [str(script), *arguments]
    sys.path[0] = folder  # as Python does for a script; the repository must not be importable for the pack
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
