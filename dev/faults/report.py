"""docs/results/faults.md: one row per fault, and what each fault is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

from dev.faults.job import CONCEPTS
from dev.faults.lab import SAME_FOR_ALL, Tally
from dev.faults.table import FAULTS
from mace_core.files.atomic import written_whole

HEAD = f"""# Faults

`make faults` writes this page from `faults.json`. Each fault disturbs real jobs on real ComfyUI servers with
their own folders: three concepts of the miniature ({CONCEPTS.replace(chr(10), "; ")})
through all stages, with the fast and the exact method of Train Concept LoRA. The command fails if a bound
does not hold every time. After each fault, the same job runs again:

- **right result**: the saved erasure and an image of the erased model are, bit for bit, those of an
  undisturbed run.
- **original MODEL**: an image of it is, bit for bit, the one from before the pack ran.
- **server answers**: it lives, and its queue is empty.
- **no damaged file**: all cached results and erasures on disk have the right checksums; after a kill and a
  cancel, also before the job runs again.

"""


def row(tally: Tally, seconds: float, comfyui: str) -> dict:
    """What `faults.json` holds of one fault."""
    return {
        "bounds": tally.bounds,
        "held": tally.holds,
        "problems": tally.problems,
        "note": tally.note,
        "seconds": round(seconds),
        "comfyui": comfyui,
    }


def page(rows: Mapping[str, Mapping]) -> str:
    """The whole page, faults in the order of the table."""
    names = [name for name in FAULTS if name in rows]
    return "\n".join([HEAD + table(rows), "", *(_described(name, rows[name]) for name in names)])


def table(rows: Mapping[str, Mapping]) -> str:
    """One row per fault; every count is `held of checked`."""
    head = ["fault", *SAME_FOR_ALL, "its own bounds", "all held", "s", "ComfyUI"]
    lines = [head, ["---"] * len(head)]
    for name in (name for name in FAULTS if name in rows):
        found = rows[name]
        own = {what: counts for what, counts in found["bounds"].items() if what not in SAME_FOR_ALL}
        lines.append(
            [
                _title(name),
                *(_count(found["bounds"].get(what)) for what in SAME_FOR_ALL),
                "; ".join(f"{what}: {_count(counts)}" for what, counts in own.items()),
                "yes" if found["held"] else "**no**",
                str(found["seconds"]),
                found["comfyui"],
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(rows: Mapping[str, Mapping], folder: Path) -> None:
    """Replace the rows of these faults in faults.json, keep the others, and write the page."""
    path = folder / "faults.json"
    rows = (json.loads(path.read_text()) if path.exists() else {}) | rows
    rows = {name: rows[name] for name in FAULTS if name in rows}
    for name, text in {"faults.json": json.dumps(rows, indent=1) + "\n", "faults.md": page(rows)}.items():
        with written_whole(folder / name) as new:
            new.write_text(text)


def _described(name: str, found: Mapping) -> str:
    parts = [inspect.getdoc(FAULTS[name]) or "", found["note"]]
    problems = [f"- {problem}" for problem in dict.fromkeys(found["problems"])]
    return "\n\n".join(filter(None, [f"## {_title(name)}", *parts, "\n".join(problems)])) + "\n"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _count(counts: list[int] | None) -> str:
    return f"{counts[0]} of {counts[1]}" if counts else "-"
