"""README's table of the results of `make results` and `make mass`."""

import json
from collections.abc import Mapping
from pathlib import Path

from dev.bench.erasures import FULL, LINEAR, UCE
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
    rows = [
        "| percent | never named, share of before | erased, still shown | named, share of before |",
        "|---|---|---|---|",
    ]
    for method in (FULL, LINEAR, UCE):
        each = objects["objects"][method]["average"]
        named = min(100.0, 100 * each["acc_s"] / each["acc_s_before"])
        rows.append(_row("[ten classes](docs/results/objects.md), one at a time", method, each, named))
    for count, each in mass["mass"].items():
        for method, key in ((FULL, "mass"), (LINEAR, "linear"), (UCE, "uce")):
            if each := mass[key].get(count):
                told = f"[{count} {'objects' if int(count) > 1 else 'object'}](docs/results/mass.md) at once"
                rows.append(_row(told, method, each, min(100.0, 100 * each["acc_s"] / each["acc_s_before"])))
    for count, each in mass["persons"].items():
        named = min(100.0, 100 * each["acc_s"] / each["acc_s_before"])
        rows.append(_row(f"{count} of 20 people who share names", FULL, each, named))
    return "\n".join([*rows, ""])


def _row(what: str, method: str, each: Mapping, named: float) -> str:
    return f"| {what}: {method} | {each['never_share']:.1f} | {each['acc_e']:.1f} | {named:.1f} |"


def _paths() -> tuple[Path, Path]:
    return RESULTS / "objects.json", RESULTS / "mass.json"
