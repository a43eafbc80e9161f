"""The host with PyTorch attention, as on a GPU: its memory does not grow quadratically."""

from __future__ import annotations

from pathlib import Path

from dev.host.fetch import import_from_host
from dev.host.in_process import InProcess, load_host
from dev.host.launch import make_importable


def hosted(base: Path, on_cpu: bool = True) -> InProcess:
    make_importable()
    import_from_host()
    from comfy.cli_args import args

    args.use_pytorch_cross_attention = True  # must be set before comfy.ldm.modules.attention is imported
    return load_host(base, on_cpu)
