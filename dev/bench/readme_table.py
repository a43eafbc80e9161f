"""README's table of the results of `make results` and `make mass`."""

import json
from pathlib import Path

from dev.bench.erasures import FULL, REFINED, UCE
from dev.bench.markdown import with_marked
from dev.host.fetch import REPOSITORY

README, RESULTS = REPOSITORY / "README.md", REPOSITORY / "docs" / "results"
BEGIN = "<!-- results: written by `make results` and `make mass` -->"
END = "<!-- end of the results -->"


def write() -> None:
    """Rewrite the table in README, if both commands have been run."""
    if all(path.exists() for path in _paths()):
        README.write_text(with_marked(README.read_text(), BEGIN, END, summary()))


def summary() -> str:
    objects, mass = (json.loads(path.read_text()) for path in _paths())
    average = {method: objects["objects"][method]["average"] for method in (FULL, REFINED, UCE)}
    rows = [
        "| percent | MACE | refinement only | UCE's closed form |",
        "|---|---|---|---|",
        "| [ten classes](docs/results/objects.md), one at a time: average H_o relative | "
        + " | ".join(f"{each['h_o_relative']:.1f}" for each in average.values())
        + " |",
    ]
    for count, each in mass["mass"].items():
        refined = mass["ablation"][REFINED]["h_c_relative"] if count == "100" else None
        uce = mass["uce"].get(count, {}).get("h_c_relative")
        told = "objects" if int(count) > 1 else "object"
        cells = f"{each['h_c_relative']:.1f} | {_cell(refined)} | {_cell(uce)}"
        rows.append(f"| [{count} {told}](docs/results/mass.md) at once: H_c relative | {cells} |")
    rows += [
        f"| {count} of 20 people who share names: H_c relative | {each['h_c_relative']:.1f} | | |"
        for count, each in mass["persons"].items()
    ]
    return "\n".join([*rows, ""])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _paths() -> tuple[Path, Path]:
    return RESULTS / "objects.json", RESULTS / "mass.json"
