"""`make scale`, or `python -m dev.scale [page]`: measures, and writes docs/scale.md and its numbers.

`page` only writes the page again. What `make fullsize` measures is read from its file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from dev.fullsize.families import FAMILIES
from dev.fullsize.host import hosted
from dev.host.fetch import REPOSITORY
from dev.scale import driver, passes, room
from dev.scale.arithmetic import Inputs
from dev.scale.report import page

RESULTS = REPOSITORY / "docs" / "results" / "scale.json"
FULL_SIZE = RESULTS.with_name("fullsize.json")
PAGE = REPOSITORY / "docs" / "scale.md"


def main(*words: str) -> None:
    if words not in ((), ("page",)):
        raise SystemExit(f"Unknown word '{words[-1]}': use `page`, or none.")
    if not words:
        measured = {"store": driver.store_seconds()}
        measured |= {name: driver.run(family) for name, family in FAMILIES.items()}
        with tempfile.TemporaryDirectory(prefix="mace-scale-") as base:
            host = hosted(Path(base))
            measured |= {"counted": passes.run(host), "room": room.run(host)}
        RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
    PAGE.write_text(written(RESULTS, FULL_SIZE))


def written(results: Path, full_size: Path) -> str:
    """The page of these measurements."""
    measured, closed_form = json.loads(results.read_text()), json.loads(full_size.read_text())["closed_form"]
    inputs = [
        Inputs(name, measured["counted"], measured[name], closed_form[name], measured["store"])
        for name in FAMILIES
    ]
    return page(inputs, measured["room"])


if __name__ == "__main__":
    main(*sys.argv[1:])
