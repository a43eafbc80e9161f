"""The tasks of `make results` on the frozen split (mini/splits.json)."""

from collections.abc import Mapping, Sequence

from dev.bench.erasures import EXACT, LINEAR, REFINED, UCE, UNEDITED
from dev.bench.tasks import Task
from dev.mass.plan import splits

METHODS = (REFINED, LINEAR, EXACT, UCE)
PROBED = ("ship", "dog", "airplane")
FIGURES = ("attention", "before_and_after")
TABLES = ("objects", "styles", "robustness")
WORK = "dev.results.measure"


def tasks(table: str) -> list[Task]:
    """The tasks behind one of the TABLES."""
    told = splits()
    classes = {name: _named(split) for name, split in told["objects"].items()}
    if table == "objects":
        figures = [Task(name, f"{WORK}:{name}", classes["ship"]) for name in FIGURES]
        return [_task(table, UNEDITED, "all", list(classes), []), *_tasks(table, classes), *figures]
    if table == "styles":
        return [
            _task(table, UNEDITED, "all", [], style_names(told["styles"])),
            *_tasks(table, told["styles"]),
        ]
    return _tasks(table, {name: classes[name] for name in PROBED})


def _tasks(table: str, split: Mapping[str, Mapping]) -> list[Task]:
    return [_task(table, method, name, **each) for name, each in split.items() for method in METHODS]


def _named(split: Mapping) -> dict:
    """What is erased and what the prior names."""
    return {side: split[side] for side in ("erase", "keep")}


def style_names(split: dict) -> list[str]:
    """Every style and every object of the split."""
    return list(dict.fromkeys(name for each in split.values() for name in (*each["erase"], *each["keep"])))


def _task(what: str, method: str, split: str, erase: Sequence[str], keep: Sequence[str]) -> Task:
    return Task(
        f"{what}, {method}, {split}", f"{WORK}:{what}", {"method": method, "erase": erase, "keep": keep}
    )
