"""The tasks of `make results` on the frozen split (mini/splits.json)."""

from collections.abc import Mapping, Sequence

from dev.bench.erasures import EXACT, FULL, LINEAR, REFINED, UCE, UNEDITED
from dev.bench.tasks import Task
from dev.mass.plan import splits

METHODS = (FULL, LINEAR, REFINED, EXACT, UCE)
PROBED = ("ship", "dog", "airplane")
FIGURES = ("attention", "before_and_after")
TABLES = ("objects", "styles", "robustness")
WORK = "dev.results.measure"


def tasks(table: str) -> list[Task]:
    """The tasks behind one of the TABLES."""
    told = splits()
    classes = told["objects"]
    if table == "objects":
        ship = {side: classes["ship"][side] for side in ("erase", "keep")}
        figures = [Task(name, f"{WORK}:{name}", ship) for name in FIGURES]
        never = next(iter(classes.values()))["never"]
        return [_task(table, UNEDITED, "all", [], list(classes), never), *_tasks(table, classes), *figures]
    if table == "styles":
        return [
            _task(table, UNEDITED, "all", [], style_names(told["styles"])),
            *_tasks(table, told["styles"]),
        ]
    return _tasks(table, {name: {**classes[name], "never": ()} for name in PROBED})


def _tasks(table: str, split: Mapping[str, Mapping]) -> list[Task]:
    return [_task(table, method, name, **each) for name, each in split.items() for method in METHODS]


def style_names(split: dict) -> list[str]:
    """Every style and every object of the split."""
    return list(dict.fromkeys(name for each in split.values() for name in (*each["erase"], *each["keep"])))


def _task(
    what: str,
    method: str,
    split: str,
    erase: Sequence[str],
    keep: Sequence[str],
    never: Sequence[str] = (),
) -> Task:
    given = {"method": method, "erase": erase, "keep": keep} | ({"never": never} if never else {})
    return Task(f"{what}, {method}, {split}", f"{WORK}:{what}", given)
