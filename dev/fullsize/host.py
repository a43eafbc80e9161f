"""The host as it runs on a card: with torch's own attention, whose memory does not grow with its square."""

from __future__ import annotations

import sys
from pathlib import Path

from dev.host.fetch import host_folder
from dev.host.in_process import InProcess, load_host
from dev.host.launch import make_importable


def hosted(base: Path, on_cpu: bool = True) -> InProcess:
    make_importable()
    sys.path.insert(0, str(host_folder()))
    from comfy.cli_args import args

    sys.path.pop(0)
    args.use_pytorch_cross_attention = True  # before comfy.ldm.modules.attention chooses
    return load_host(base, on_cpu)
