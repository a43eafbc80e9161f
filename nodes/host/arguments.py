"""Where this ComfyUI and this pack are, and how it was started: what a worker of a cluster must repeat."""

import os
import re
import sys

import comfy.model_management
import folder_paths
import torch

PACK = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Options about models and how to compute with them. All others are about the server, or this machine's GPUs.
_REPEATED = (
    r"--(cpu|cpu-vae|gpu-only|.*vram.*|.*(fp|bf)\d+.*|.*attention.*|.*xformers|.*triton.*|.*channels-last|"
    r"deterministic|fast|base-directory|models-directory|extra-model-paths-config)"
)


def here() -> dict:
    """Folders of ComfyUI and this pack, and the `arguments` of ComfyUI that change models or results."""
    comfyui = os.path.dirname(os.path.abspath(folder_paths.__file__))
    return {"comfyui": comfyui, "pack": PACK, "arguments": repeated(sys.argv[1:])}


def repeated(arguments: list[str]) -> list[str]:
    """Those of ComfyUI's arguments that a worker needs, with absolute paths."""
    kept, keeps = [], False
    for each in arguments:
        if each.startswith("--"):
            keeps = bool(re.fullmatch(_REPEATED, each.partition("=")[0]))
        if keeps:
            kept.append(os.path.abspath(each) if os.path.exists(each) else each)
    return kept


def on_gpu() -> bool:
    """Whether ComfyUI computes on a GPU here, so that workers need one, too."""
    return not comfy.model_management.is_device_cpu(comfy.model_management.get_torch_device())


def threads() -> int:
    """The number of CPU threads per operation: another number can round sums in another way."""
    return torch.get_num_threads()
