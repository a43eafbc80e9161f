"""`make fullsize`, or `python -m dev.fullsize [sd15 sd21 sdxl] [stages memory ...]`.

Measures, then writes docs/results/fullsize.json, its tables (fullsize.md), and README's table of families.

Each measurement runs in a separate process, so that its peak memory is its own. Measurements that you do not
name keep their previous results.
"""

from __future__ import annotations

import importlib
import json
import sys

from dev.bench.own_process import in_own_process, machine
from dev.fullsize.families import FAMILIES
from dev.fullsize.report import tables
from dev.fullsize.summary import write as write_summary
from dev.host.fetch import REPOSITORY

RESULTS = REPOSITORY / "docs" / "results" / "fullsize.json"
KINDS = ("stages", "memory", "fast_memory", "closed_form", "once")


def main(*names: str) -> None:
    if unknown := set(names) - {*FAMILIES, *KINDS}:
        known = ", ".join([*FAMILIES, *KINDS])
        raise SystemExit(f"Unknown name '{min(unknown)}': use any of {known}, or none for all.")
    results = {kind: {} for kind in KINDS}
    results |= json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [name for name in FAMILIES if name in names] or FAMILIES:
        for kind in [kind for kind in KINDS if kind in names] or KINDS:
            print(f"{FAMILIES[name].name}, {kind.replace('_', ' ')}", flush=True)
            measured = in_own_process("dev.fullsize.__main__:measure", kind, name)
            results[kind][name] = measured | {"machine": machine()}
            _write(results)
    print(tables(results))


def measure(kind: str, name: str) -> dict:
    """One measurement of a family, in this process."""
    return importlib.import_module(f"dev.fullsize.{kind}").run(FAMILIES[name])


def _write(results: dict) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(tables(results))
    write_summary(results)


if __name__ == "__main__":
    main(*sys.argv[1:])
