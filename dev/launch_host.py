"""Start ComfyUI's own main.py in this interpreter: `python -m dev.launch_host FOLDER [arguments of main.py]`.

Some CPU builds of torch cannot load torchvision's compiled part, and the host imports torchvision unguarded. Declaring
two of its operators first lets the pure Python rest load; that is done here and only when the plain import fails.
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
    sys.path.insert(0, folder)  # before the repository: the host's `nodes` must win over the pack's folder
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
