"""The tasks of `make mass` on the frozen split (mini/splits.json), in the order in which they can be run."""

import json
from collections.abc import Sequence

from dev.bench.erasures import (
    AVERAGED,
    CLOSED,
    EXACT,
    FULL,
    LINEAR,
    REFINED,
    RIDGED,
    UCE,
    UNEDITED,
)
from dev.bench.tasks import PROCESSES, Task
from dev.host.fetch import REPOSITORY
from mini.vocabulary import load_world

SPLITS = REPOSITORY / "mini" / "splits.json"
COUNTS, PERSONS = ("1", "5", "10", "50", "100"), ("1", "5", "10", "20")
ABLATION = (REFINED, CLOSED, AVERAGED, LINEAR)
BESIDE = ("10", "50", "100")  # counts at which the linear form and UCE are measured too
KINDS = ("object", "person", "style")
MANY = 4  # times as many images of a few concepts: of two styles with 16 each, one image is 3 points
LEFT = "left of mass 100"
WORK = "dev.mass.measure"


def splits() -> dict:
    return json.loads(SPLITS.read_text())


def kinds() -> dict[str, str]:
    """Concept -> kind."""
    return {each["name"]: each["kind"] for each in load_world()["concepts"]}


def training_tasks(*sections: str) -> list[Task]:
    """Train each concept that any task erases once; the host's folder caches the LoRAs."""
    told = splits()
    hundred = told["mass"]["100"]["erase"]
    everything = [*hundred, *told["persons"]["20"]["erase"], *told["mixed"]["all"]["erase"]]
    tasks = _training(FULL, everything)
    return tasks + _training(EXACT, hundred) if "trainers" in (sections or SECTIONS) else tasks


def _training(method: str, names: Sequence[str]) -> list[Task]:
    names = list(dict.fromkeys(names))
    parts = [names[start::PROCESSES] for start in range(PROCESSES)]
    return [
        Task(f"train {method} {number} of {PROCESSES}", f"{WORK}:prepare", {"method": method, "erase": part})
        for number, part in enumerate(parts, 1)
    ]


def measuring_tasks(*sections: str) -> list[Task]:
    """The tasks of some SECTIONS of the page, or of all; a task of two sections comes once."""
    tasks = [task for section in sections or SECTIONS for task in SECTIONS[section]()]
    return list({task.name: task for task in tasks}.values())


def _before() -> list[Task]:
    return [_shares(UNEDITED, "all", [], [], asked=list(kinds())), _left(UNEDITED)]


def _objects() -> list[Task]:
    tasks = _before()
    for method, counts in ((FULL, COUNTS), *((each, BESIDE) for each in (LINEAR, *RIDGED, UCE))):
        for count in counts:
            split = splits()["mass"][count]
            tasks.append(_shares(method, f"mass {count}", **split))
            if method in (FULL, LINEAR):
                tasks.append(_synonyms(method, count, split))
        tasks.append(_left(method))
    return tasks


def _persons() -> list[Task]:
    tasks = _before()
    for count in PERSONS:
        split = {side: splits()["persons"][count][side] for side in ("erase", "keep", "never")}
        tasks.append(_shares(FULL, f"persons {count}", **split))
    return tasks


def _ablation() -> list[Task]:
    split, tasks = splits()["mass"]["100"], _before()
    for method in (*ABLATION, FULL):
        tasks += [_shares(method, "mass 100", **split), _left(method)]
    return tasks


def _trainers() -> list[Task]:
    """The exact trainer beside the fast one. The gate does not depend on the trainer: the linear form tells
    more."""
    tasks = _before()
    for method in (LINEAR, EXACT):
        for count in BESIDE:
            tasks.append(_shares(method, f"mass {count}", **splits()["mass"][count]))
        tasks.append(_left(method))
    return tasks


def _mixed() -> list[Task]:
    mixed = splits()["mixed"]["all"]
    everything = [*mixed["erase"], *mixed["keep"], *mixed["never"]]
    styles = of_kind(everything, "style")
    tasks = [
        *_before(),
        _shares(UNEDITED, "styles", [], [], asked=styles, times=MANY),
        _shares(FULL, "mixed", **mixed),
        _shares(FULL, "mixed, styles", **mixed, asked=styles, times=MANY),
    ]
    for kind in KINDS:
        told = {
            "asked": of_kind(everything, kind),
            "times": MANY if kind == "style" else 1,
        }
        tasks.append(
            _shares(FULL, f"mixed, {kind}s alone", of_kind(mixed["erase"], kind), mixed["keep"], **told)
        )
    return tasks


def _costs() -> list[Task]:
    largest = splits()["mass"]["100"]
    told = {"erase": largest["erase"], "keep": largest["keep"], "counts": [1, 10, 100]}
    return [
        Task("seconds", f"{WORK}:seconds", {"concepts": largest["erase"]}),
        Task("memory", f"{WORK}:memory", told),
    ]


SECTIONS = {
    "objects": _objects,
    "persons": _persons,
    "ablation": _ablation,
    "trainers": _trainers,
    "mixed": _mixed,
    "costs": _costs,
}


def of_kind(names: Sequence[str], kind: str) -> list[str]:
    kind_of = kinds()
    return [name for name in names if kind_of[name] == kind]


def of_mixed(kind: str) -> tuple[str, str, str]:
    """The tasks about one kind of the mixed run: original model, mixed run, erased alone."""
    before, together = ("styles", "mixed, styles") if kind == "style" else ("all", "mixed")
    return f"{UNEDITED}, {before}", f"{FULL}, {together}", f"{FULL}, mixed, {kind}s alone"


def _shares(
    method: str,
    split: str,
    erase: Sequence[str],
    keep: Sequence[str],
    never: Sequence[str] = (),
    asked: Sequence[str] | None = None,
    times: int = 1,
) -> Task:
    told = {"erase": erase, "keep": keep, "asked": asked or [*erase, *keep, *never], "times": times}
    return Task(f"{method}, {split}", f"{WORK}:shares", {"method": method, **told})


def _synonyms(method: str, count: str, split: dict) -> Task:
    told = {"method": method, "erase": split["erase"], "keep": split["keep"]}
    return Task(f"{method}, synonyms {count}", f"{WORK}:synonyms", told)


def _left(method: str) -> Task:
    """At a hundred few are left: more images of them, for the same standard error."""
    split = splits()["mass"]["100"]
    erase, left = [] if method == UNEDITED else split["erase"], [*split["keep"], *split["never"]]
    return _shares(method, LEFT, erase, split["keep"], asked=left, times=MANY)
