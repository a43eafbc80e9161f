"""ComfyUI-Manager's cm-cli on our own base folder and registry, which it has no options for.

python -m dev.package.cm_cli HOST BASE REGISTRY [arguments of cm-cli]
"""

import importlib
import os
import sys

from dev.host.launch import make_torchvision_importable


def main(host: str, base: str, registry: str, *arguments: str) -> None:
    """Only two addresses change: where the packs are, and whom it asks for them."""
    make_torchvision_importable()  # the Manager downloads with it
    sys.path[0] = host  # instead of the repository, whose nodes/ would hide the host's nodes.py
    os.environ["COMFYUI_PATH"] = host
    importlib.import_module("comfy.cli_args").args.base_directory = base
    importlib.import_module("comfyui_manager.common.cnr_utils").base_url = registry
    sys.argv = ["cm-cli", *arguments]
    importlib.import_module("cm_cli.__main__").main()


if __name__ == "__main__":
    main(*sys.argv[1:])
