"""`make bench`, or `python -m dev.speed [closed_form fusion ...]`.

Measures, then writes docs/results/bench.json and its tables (bench.md), and fails if a bound is broken. Each
section runs in a process of its own. Sections that you do not name keep their previous results.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dev.bench.own_process import in_own_process, machine
from dev.host.fetch import REPOSITORY
from dev.speed.aims import Results, broken
from dev.speed.report import SECTIONS, tables

RESULTS = REPOSITORY / "docs" / "results" / "bench.json"


def main(*names: str, path: Path = RESULTS) -> None:
    if unknown := set(names) - SECTIONS.keys():
        raise SystemExit(
            f"Unknown section '{min(unknown)}': use any of {', '.join(SECTIONS)}, or none for all."
        )
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in names or SECTIONS:
        print(SECTIONS[name][0], flush=True)
        results[name] = in_own_process("dev.speed.__main__:measure", name)
        write(results, path)
    print(tables(results))
    finish(results)


def measure(name: str) -> dict:
    """A section, in this process."""
    from importlib import import_module

    return import_module(f"dev.speed.{name}").run() | {"machine": machine()}


def write(results: Results, path: Path = RESULTS) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(tables(results))


def finish(results: Results) -> None:
    """Raise SystemExit if a bound is broken."""
    if said := broken(results):
        raise SystemExit("\n".join(["Broken bounds:", *said]))


if __name__ == "__main__":
    main(*sys.argv[1:])
