"""`make hosts HOSTS="/path/to/ComfyUI ..."`: runs the tests that need a host on each of these ComfyUIs.

Writes docs/results/hosts.json and its page, hosts.md. A version keeps its row until you run it again. Exits
with 1 if a test fails.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from dev.host.fetch import REPOSITORY
from dev.host.venv import host_python
from dev.run_tests import APART, OUTCOMES, rooms, run_all
from mace_core.files.atomic import written_whole

RESULTS = REPOSITORY / "docs" / "results"
ROOMS = {name: arguments for name, arguments in rooms().items() if name in APART}
COLUMNS = {"front_end": "front end", "python": "Python", "torch": "torch", "date": "date"}
PAGE = """# Tested versions of ComfyUI

`make hosts` writes this page from `hosts.json`. It runs all tests that need ComfyUI, on a CPU, with each
version's own requirements and front end. A test is skipped if the version lacks the feature it tests.

"""
ASK = """
import json, platform
from importlib.metadata import version
print(json.dumps({"front_end": version("comfyui-frontend-package"), "python": platform.python_version(),
                  "torch": version("torch")}))
"""


def measure(folder: Path, rooms: Mapping[str, list[str]] = ROOMS) -> tuple[str, dict]:
    """Run the rooms (groups of tests) on one host. Returns the host's version and its row."""
    os.environ["COMFYUI_PATH"] = str(folder)
    python = host_python(folder)
    asked = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True).stdout
    row = json.loads(asked) | {"date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
    row["rooms"] = run_all(rooms, python)
    return runpy.run_path(str(folder / "comfyui_version.py"))["__version__"], row


def passed(row: Mapping) -> bool:
    return not any(room["failed"] or room["exit_code"] for room in row["rooms"].values())


def page(rows: Mapping[str, Mapping]) -> str:
    """The page: one row per host, oldest version first."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row["rooms"]))
    head = ["ComfyUI", *COLUMNS.values(), *names]
    lines = [head, ["---"] * len(head)]
    for version in sorted(rows, key=in_order):
        row = rows[version]
        told = [row[column] for column in COLUMNS]
        lines.append([version, *told, *(cell(row["rooms"].get(name)) for name in names)])
    return PAGE + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(room: Mapping | None) -> str:
    if room is None:
        return ""
    counts = ", ".join(f"{room[outcome]} {outcome}" for outcome in OUTCOMES if room[outcome])
    stopped = [f"**stopped with {room['exit_code']}**"] if room["exit_code"] and not room["failed"] else []
    return ", ".join([*filter(None, [counts]), *stopped, f"{room['seconds']} s"])


def in_order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def keep(version: str, row: Mapping, folder: Path = RESULTS) -> None:
    """Write a row immediately, so that it is not lost if a later host is interrupted."""
    path = folder / "hosts.json"
    rows = (json.loads(path.read_text()) if path.exists() else {}) | {version: row}
    rows = {each: rows[each] for each in sorted(rows, key=in_order)}
    for name, text in {"hosts.json": json.dumps(rows, indent=1) + "\n", "hosts.md": page(rows)}.items():
        with written_whole(folder / name) as new:
            new.write_text(text)


def main(folders: list[str]) -> int:
    good = True
    for folder in map(Path, folders):
        version, row = measure(folder.expanduser().resolve())
        keep(version, row)
        good = good and passed(row)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
