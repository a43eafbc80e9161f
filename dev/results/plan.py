"""The tasks of `make results` on the frozen split (mini/splits.json)."""

from collections.abc import Sequence

from dev.bench.erasures import FULL, REFINED, UCE, UNEDITED
from dev.bench.tasks import Task
from dev.mass.plan import of_kind, splits

METHODS = (REFINED, FULL, UCE)
PROBED = ("ship", "dog", "airplane")
FIGURES = ("attention", "before_and_after")
WORK = "dev.results.measure"


def tasks() -> list[Task]:
    told = splits()
    classes = list(told["objects"])
    planned = [_task("objects", UNEDITED, "all", classes, [])]
    planned += [
        _task("objects", method, name, **told["objects"][name]) for name in classes for method in METHODS
    ]
    planned += [_task("styles", UNEDITED, "all", [], style_names(told["styles"]))]
    planned += [_task("styles", FULL, name, **split) for name, split in told["styles"].items()]
    planned += [
        _task("probes", method, name, **told["objects"][name]) for name in PROBED for method in METHODS
    ]
    planned += [Task(name, f"{WORK}:{name}", told["objects"]["ship"]) for name in FIGURES]
    return planned


def style_names(split: dict) -> list[str]:
    """Every style and every object of the split."""
    return list(dict.fromkeys(name for each in split.values() for name in (*each["erase"], *each["keep"])))


def styles_and_objects(names: Sequence[str]) -> tuple[list[str], list[str]]:
    return of_kind(names, "style"), of_kind(names, "object")


def _task(what: str, method: str, split: str, erase: Sequence[str], keep: Sequence[str]) -> Task:
    return Task(
        f"{what}, {method}, {split}", f"{WORK}:{what}", {"method": method, "erase": erase, "keep": keep}
    )
