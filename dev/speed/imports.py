"""What the pack adds to the start of the host, which has imported torch and torchvision already.

Straight: the libraries of the exports and of the judge are imported at the start, as most packs do.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from statistics import median

from dev.bench.own_process import in_own_process
from dev.host.fetch import REPOSITORY, import_from_host
from dev.host.launch import make_importable
from dev.host.pack_folder import PACK, prepare_folder
from dev.speed.timing import compared, taken
from mace_erase.nodes import load_nodes

ROUNDS = 5
HOST = ("nodes", "comfy_api.latest", "comfy_config.config_parser")  # imported by the host for any pack


def run() -> dict:
    found: dict[str, list[float]] = {"pack_file": [], "all_nodes": [], "libraries": [], "nothing": []}
    in_own_process("dev.speed.imports:all_nodes")  # compiles the files
    for _ in range(ROUNDS):
        for name, seconds in found.items():
            seconds.append(in_own_process(f"dev.speed.imports:{name}"))
    plain, limit = found["libraries"], median(found["nothing"])
    return {
        "rows": [
            compared("import of the pack's file", found["pack_file"], plain, limit),
            compared("the host loads all nodes", found["all_nodes"], plain),
        ]
    }


def pack_file() -> float:
    """CPU seconds of the file that the host imports."""
    _with_torch()

    def work() -> None:
        path = REPOSITORY / "__init__.py"
        spec = importlib.util.spec_from_file_location("/pack", path, submodule_search_locations=[])
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    return taken(work).seconds


def all_nodes() -> float:
    """CPU seconds of the host to load the pack with all its nodes."""
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        prepare_folder(Path(base))
        make_importable()
        import_from_host()
        from comfy.cli_args import args

        args.cpu, args.base_directory = True, base
        for host_module in HOST:
            importlib.import_module(host_module)
        sys.dont_write_bytecode = False  # users load compiled files, from the second start on
        return taken(lambda: load_nodes(str(Path(base) / "custom_nodes" / PACK))).seconds


def libraries() -> float:
    """CPU seconds of peft and of transformers' CLIP."""
    _with_torch()

    def work() -> None:
        importlib.import_module("peft")
        importlib.import_module("transformers").CLIPModel  # imported when asked for

    return taken(work).seconds


def nothing() -> float:
    """CPU seconds to import a module that is in memory: the least that an import takes."""
    return taken(lambda: importlib.import_module("logging")).seconds


def _with_torch() -> None:
    make_importable()
    importlib.import_module("importlib.util")
