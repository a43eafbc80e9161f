"""README's table of the results of `make mass`."""

import json
from collections.abc import Mapping

from dev.bench.erasures import FULL, LINEAR, UCE
from dev.bench.markdown import row, with_error, with_marked
from dev.host.fetch import REPOSITORY

README, MASS = REPOSITORY / "README.md", REPOSITORY / "docs" / "results" / "mass.json"
BEGIN = "<!-- results: written by `make mass` -->"
END = "<!-- end of the results -->"


def write() -> None:
    """Rewrite the table in README."""
    README.write_text(with_marked(README.read_text(), BEGIN, END, summary()))


def summary() -> str:
    mass = json.loads(MASS.read_text())
    rows = [
        "| percent | never named, share of before | erased, still shown | named, share of before |",
        "|---|---|---|---|",
    ]
    for count, each in mass["mass"].items():
        for method, key in ((FULL, "mass"), (LINEAR, "linear"), (UCE, "uce")):
            if each := mass[key].get(count):
                told = f"[{count} {'objects' if int(count) > 1 else 'object'}](docs/results/mass.md) at once"
                rows.append(_row(told, method, each))
    rows += [
        _row(f"{count} of 20 people who share names", FULL, each) for count, each in mass["persons"].items()
    ]
    return "\n".join([*rows, ""])


def _row(what: str, method: str, each: Mapping[str, float]) -> str:
    named = {"named_share": min(100.0, 100 * each["acc_s"] / each["acc_s_before"])}
    return row(
        f"{what}: {method}",
        with_error(each, "never_share", "never_error"),
        with_error(each, "acc_e"),
        with_error(each | named, "named_share", "named_error"),
    )
