"""`make fullsize`, or `python -m dev.fullsize [sd15 sd21 sdxl] [stages memory ...]`.

Measures, then writes docs/results/fullsize.json, its tables (fullsize.md), and README's table of families.

Each measurement runs in a separate process, so that its peak memory is its own. Measurements that you do not
name keep their previous results.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.fullsize.families import FAMILIES
from dev.fullsize.report import tables
from dev.fullsize.summary import write as write_summary

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "fullsize.json"
KINDS = ("stages", "memory", "fast_memory", "closed_form", "once")
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "1048576"}  # freed memory leaves the process: peaks are correct


def main(*names: str) -> None:
    if unknown := set(names) - {*FAMILIES, *KINDS}:
        known = ", ".join([*FAMILIES, *KINDS])
        raise SystemExit(f"Unknown name '{min(unknown)}': use any of {known}, or none for all.")
    results = {kind: {} for kind in KINDS}
    results |= json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [name for name in FAMILIES if name in names] or FAMILIES:
        for kind in [kind for kind in KINDS if kind in names] or KINDS:
            print(f"{FAMILIES[name].name}, {kind.replace('_', ' ')}", flush=True)
            results[kind][name] = _in_own_process(kind, name) | {"machine": _machine()}
            _write(results)
    print(tables(results))


def measure(kind: str, name: str, path: str) -> None:
    """Run one measurement in this process and write its result to `path` as JSON."""
    result = importlib.import_module(f"dev.fullsize.{kind}").run(FAMILIES[name])
    Path(path).write_text(json.dumps(result))


def _in_own_process(kind: str, name: str) -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as folder:
        path = Path(folder) / "result.json"
        code = f"from dev.fullsize.__main__ import measure; measure({kind!r}, {name!r}, {str(path)!r})"
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=RESULTS.parents[2],
            check=True,
            env=os.environ | RETURNED | {"PYTHONPATH": str(RESULTS.parents[2])},
        )
        return json.loads(path.read_text())


def _machine() -> dict:
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _write(results: dict) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(tables(results))
    write_summary(results)


if __name__ == "__main__":
    main(*sys.argv[1:])
