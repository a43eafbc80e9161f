"""Measurements in a process of their own, so that their peak memory is their own, and where they ran."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dev.host.fetch import REPOSITORY

RETURNED = {"MALLOC_MMAP_THRESHOLD_": "1048576"}  # freed memory leaves the process: peaks are correct


def in_own_process(function: str, *given: str) -> Any:
    """The result of `function`, as "module:function", with the arguments `given`: any value of JSON."""
    with tempfile.TemporaryDirectory(prefix="mace-measure-") as folder:
        path = Path(folder) / "result.json"
        code = f"from dev.bench.own_process import write; write({function!r}, {str(path)!r}, *{given!r})"
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=REPOSITORY,
            check=True,
            env=os.environ | RETURNED | {"PYTHONPATH": str(REPOSITORY)},
        )
        return json.loads(path.read_text())


def write(function: str, path: str, *given: str) -> None:
    """Call `function` in this process and write its result to `path` as JSON."""
    module, name = function.split(":")
    Path(path).write_text(json.dumps(getattr(importlib.import_module(module), name)(*given)))


def machine() -> dict[str, Any]:
    """The processor, its cores, the threads that torch uses, and versions."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def where(told: dict[str, Any]) -> str:
    """A `machine` in words."""
    return f"{told['processor']}, {told['threads']} of {told['cores']} cores, torch {told['torch']}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
