"""The tasks of `make mass` on the frozen split (mini/splits.json), in the order in which they may be done."""

import json
from collections.abc import Sequence

from dev.bench.erasures import AVERAGED, EXACT, FULL, REFINED, UCE, UNEDITED, UNFOCUSED
from dev.bench.tasks import Task
from dev.fetch_host import REPOSITORY
from mini.vocabulary import load_world

SPLITS = REPOSITORY / "mini" / "splits.json"
COUNTS, PERSONS = ("1", "5", "10", "50", "100"), ("1", "5", "10", "20")
ABLATION = (REFINED, AVERAGED, UNFOCUSED, EXACT)
BESIDE_UCE = ("1", "50", "100")
KINDS = ("object", "person", "style")
WORK = "dev.mass.measure"


def splits() -> dict:
    return json.loads(SPLITS.read_text())


def kinds() -> dict[str, str]:
    """Concept -> kind."""
    return {each["name"]: each["kind"] for each in load_world()["concepts"]}


def training_tasks() -> list[Task]:
    """Everything that is ever erased, trained once: the folder of the host keeps it."""
    told = splits()
    names = dict.fromkeys(
        [*told["mass"]["100"]["erase"], *told["persons"]["20"]["erase"], *told["mixed"]["all"]["erase"]]
    )
    wanted = [(FULL, list(names))] + [(method, told["mass"]["100"]["erase"]) for method in (UNFOCUSED, EXACT)]
    return [
        Task(f"train {method} {half}", f"{WORK}:prepare", {"method": method, "erase": part})
        for method, each in wanted
        for half, part in enumerate((each[::2], each[1::2]))
    ]


def measuring_tasks() -> list[Task]:
    told = splits()
    mixed, largest = told["mixed"]["all"], told["mass"]["100"]
    tasks = [_shares(UNEDITED, "all", [], list(kinds()))]
    tasks += [_shares(FULL, f"mass {count}", **told["mass"][count]) for count in COUNTS]
    tasks += [_shares(UCE, f"mass {count}", **told["mass"][count]) for count in BESIDE_UCE]
    tasks += [_shares(method, "mass 100", **largest) for method in ABLATION]
    for count in PERSONS:
        told["persons"][count].pop("namesakes")
        tasks.append(_shares(FULL, f"persons {count}", **told["persons"][count]))
    tasks.append(_shares(FULL, "mixed", **mixed))
    tasks += [
        _shares(
            FULL,
            f"mixed, {kind}s alone",
            of_kind(mixed["erase"], kind),
            mixed["keep"],
            of_kind([*mixed["erase"], *mixed["keep"]], kind),
        )
        for kind in KINDS
    ]
    tasks.append(Task("seconds", f"{WORK}:seconds", {"concepts": largest["erase"]}))
    tasks.append(Task("memory", f"{WORK}:memory", {**largest, "counts": [1, 10, 100]}))
    return tasks


def of_kind(names: Sequence[str], kind: str) -> list[str]:
    kind_of = kinds()
    return [name for name in names if kind_of[name] == kind]


def _shares(
    method: str, split: str, erase: Sequence[str], keep: Sequence[str], asked: Sequence[str] | None = None
) -> Task:
    given = {"method": method, "erase": erase, "keep": keep, "asked": asked or [*erase, *keep]}
    return Task(f"{method}, {split}", f"{WORK}:shares", given)
