"""The tasks of `make results` on the frozen split (mini/splits.json)."""

from collections.abc import Mapping, Sequence

from dev.bench.erasures import EXACT, FULL, HARDENED, LINEAR, UCE, UNEDITED
from dev.bench.tasks import Task
from dev.mass.plan import of_kind, splits

FORMS = (FULL, LINEAR, UCE)  # what users get comes first; `make mass` has the exact trainer and stage 1
METHODS = (FULL, HARDENED, LINEAR, EXACT, UCE)  # of the page about attacks
PROBED = ("ship", "dog", "airplane")
FIRST = PROBED[0]
FIGURES = ("attention", "before_and_after")
TABLES = ("objects", "styles", "robustness", "related")
TOGETHER = "together"  # the run of `related` that erases ten objects at once
BESIDE = 3  # partners that nobody names, and as many in the prior, per erased object
TINTED = 30  # concepts of each side in front of a colour
# Of the world's eleven colours, those that every generated background shows: grey looks like white.
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
WORK, RELATED = "dev.results.measure", "dev.results.related"


def tasks(table: str) -> list[Task]:
    """The tasks behind one of the TABLES."""
    return {"objects": _objects, "styles": _styles, "robustness": _robustness, "related": _related}[table]()


def _objects() -> list[Task]:
    split = splits()["objects"]
    shown = {side: split["ship"][side] for side in ("erase", "keep", "never")}
    return [
        _before("objects", "objects", [*split, *shown["never"]]),
        *_every("objects", "objects", split, FORMS),
        *(Task(name, f"{WORK}:{name}", shown) for name in FIGURES),
    ]


def _styles() -> list[Task]:
    split = splits()["styles"]
    return [_before("styles", "styles", names_of(split)), *_every("styles", "styles", split, FORMS)]


def _robustness() -> list[Task]:
    split = {name: splits()["objects"][name] for name in PROBED}
    probed = {name: {side: each[side] for side in ("erase", "keep")} for name, each in split.items()}
    return [
        *_every("robustness", "robustness", probed, METHODS),
        _before("never", "never", split["ship"]["never"]),
        *_every("never", "never", {FIRST: split[FIRST]}, METHODS),
    ]


def _related() -> list[Task]:
    split = splits()["related"]
    alone = {name: each for name, each in split.items() if name != TOGETHER}
    found = [_before("related", "never", list(alone)), *_every("related", "never", alone, FORMS)]
    for what in ("colours", "pairs"):
        for method in (UNEDITED, *FORMS):
            given = {"method": method, "erase": [], "keep": []} | {"asked": asked(what)}
            if method != UNEDITED:
                given |= {side: split[TOGETHER][side] for side in ("erase", "keep")}
            found.append(Task(f"{what}, {method}", f"{RELATED}:{what}", given))
    return found


def asked(what: str) -> list:
    """The concepts in front of a colour; or the pairs of an erased object and a partner, whose order
    alternates."""
    split = splits()["related"][TOGETHER]
    if what == "colours":
        return [*split["erase"], *split["keep"][:TINTED], *split["never"][:TINTED]]
    partners = [
        (name, other)
        for number, name in enumerate(split["erase"])
        for side in ("keep", "never")
        for other in split[side][BESIDE * number : BESIDE * (number + 1)]
    ]
    return [pair[:: (-1) ** number] for number, pair in enumerate(partners)]


def names_of(split: Mapping[str, Mapping]) -> list[str]:
    """Every name of a task's runs, once."""
    return list(dict.fromkeys(name for each in split.values() for names in each.values() for name in names))


def _before(what: str, function: str, names: Sequence[str]) -> Task:
    """The same measurement on the original model."""
    given = {"method": UNEDITED, "erase": [], "keep": [], "never": names}
    return Task(f"{what}, {UNEDITED}, all", f"{WORK}:{function}", given)


def _every(what: str, function: str, split: Mapping[str, Mapping], methods: Sequence[str]) -> list[Task]:
    return [
        Task(f"{what}, {method}, {name}", f"{WORK}:{function}", {"method": method, **each})
        for name, each in split.items()
        for method in methods
    ]


def by_kind(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Objects and styles."""
    return of_kind(names, "object"), of_kind(names, "style")
