"""What each task erases and preserves: `python -m dev.miniature.splits` writes mini/splits.json.

The selection uses the hash of seed, task and name: it is the same on every machine, and a longer list
contains the shorter ones. Defaults can be tuned on `tuning` only: no other task erases its concepts (except
for all twenty persons at once), and the objects that it preserves are among the fifty that the mass task
erases, never a class of `objects`. `keep` is what the prior names, `never` what is neither erased nor named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from .world import WORLD_FILE, World, load_world

SPLITS_FILE = WORLD_FILE.with_name("splits.json")
SEED = 1
CLASSES = 10  # as in the paper: the classes of CIFAR-10, which are the first objects of the world
MASS = (1, 5, 10, 50, 100)
PERSONS = (1, 5, 10, 20)
TUNED = {"object": 8, "person": 3}
MIXED = {"object": 30, "person": 10}
NEVER = 30  # objects that nobody names, beside the ten classes
RENDERINGS = ("black and white", "sepia")
# What the world has of wider and narrower names: wider -> narrower.
NARROWER = {"bird": ("owl", "flamingo"), "bear": ("panda",), "tree": ("palm",), "cake": ("cupcake",)}
RELATED = 10  # objects erased at once for prompts with a colour or with two objects

Split = dict[str, list[str]]


def drawn(task: str, names: Iterable[str]) -> list[str]:
    """`names` in the order that the seed gives for `task`."""
    return sorted(names, key=lambda name: sha256(f"{SEED}/{task}/{name}".encode()).hexdigest())


def namesakes(world: World, erased: Iterable[str]) -> list[str]:
    """Persons not in `erased` who share a first or last name with a person in it."""
    erased = set(erased)
    parts = {part for name in erased for part in name.split()}
    return [p.name for p in world.persons if p.name not in erased and parts & set(p.name.split())]


def draw(world: World) -> dict[str, dict[str, Split]]:
    """Task -> run -> what it erases and what it must preserve."""
    kinds = {kind: [t.name for t in world.things if t.kind == kind] for kind in ("object", "person", "style")}
    objects, persons, styles = kinds.values()
    classes = objects[:CLASSES]
    retold = [t.name for t in world.objects[CLASSES:] if t.synonyms]  # tuning also measures synonyms
    artwork = drawn("tuning", (name for name in styles if name not in RENDERINGS))
    tuned = [
        *drawn("tuning", retold)[: TUNED["object"]],
        *drawn("tuning", persons)[: TUNED["person"]],
        artwork[0],
    ]
    free = {kind: [name for name in names if name not in tuned] for kind, names in kinds.items()}
    mass = drawn("mass", free["object"])
    crowd = [*drawn("persons", free["person"]), *(name for name in tuned if name in persons)]
    bystanders = drawn("bystanders", free["object"])[: len(persons)]
    mixed = [name for kind, count in MIXED.items() for name in drawn("mixed", free[kind])[:count]]
    mixed += [drawn("mixed", artwork[1:])[0], drawn("mixed", RENDERINGS)[0]]
    watched = [name for name in mass[10:50] if name not in classes][:20]
    seen = {*tuned, *watched, *classes}
    never = drawn("never", [name for name in objects if name not in seen])[:NEVER]
    return {
        "tuning": {"all": _halved(tuned, [*watched, *namesakes(world, tuned), *styles])},
        "objects": {name: _split([name], classes) | {"never": never} for name in classes},
        "mass": {str(count): _halved(mass[:count], objects) for count in MASS},
        "persons": {
            str(count): {
                **_halved(crowd[:count], [*persons, *bystanders]),
                "namesakes": namesakes(world, crowd[:count]),
            }
            for count in PERSONS
        },
        "styles": {name: _style(name, styles, classes, never) for name in free["style"]},
        "related": _related(objects, classes, seen),
        "mixed": {"all": _joined([_halved(mixed, names) for names in kinds.values()])},
    }


def _style(erased: str, styles: list[str], classes: list[str], never: list[str]) -> Split:
    """The prior names half of the other styles, and the ten classes; nobody names the other half."""
    halves = _halved([erased], styles)
    return {"erase": [erased], "keep": halves["keep"] + classes, "never": halves["never"] + never}


def _related(objects: list[str], classes: list[str], seen: set[str]) -> dict[str, Split]:
    """Wider and narrower names, one erased at a time; and objects erased together, for prompts with a colour
    or with a second object. seen: what tuning has looked at, and the classes."""
    named = [name for wide, narrow in NARROWER.items() for name in (wide, *narrow)]
    others = drawn("related", [name for name in classes if name not in named])
    runs: dict[str, Split] = {}
    for wide, narrow in NARROWER.items():
        runs[wide] = {"erase": [wide], "keep": others, "never": list(narrow)}
        runs |= {each: {"erase": [each], "keep": others, "never": [wide]} for each in narrow}
    fresh = drawn("related", [name for name in objects if name not in (*seen, *named)])
    erased, left = fresh[:RELATED], drawn("never", fresh[RELATED:])
    return {**runs, "together": {"erase": erased, "keep": left[::2], "never": left[1::2]}}


def _halved(erased: list[str], others: list[str]) -> Split:
    """As _split, but only half of the others is named in the prior; `never` is what nobody names."""
    left = drawn("never", _split(erased, others)["keep"])
    return {"erase": erased, "keep": left[::2], "never": left[1::2]}


def _joined(splits: list[Split]) -> Split:
    """Splits of the same erased concepts as one."""
    others = {side: [name for split in splits for name in split[side]] for side in ("keep", "never")}
    return {"erase": splits[0]["erase"], **others}


def _split(erased: list[str], keepable: list[str]) -> Split:
    return {"erase": erased, "keep": [name for name in keepable if name not in erased]}


def text(tasks: dict[str, dict[str, Split]]) -> str:
    """The committed file: JSON, one line per run."""
    blocks = []
    for task, runs in tasks.items():
        lines = ",\n".join(f"  {json.dumps(run)}: {json.dumps(split)}" for run, split in runs.items())
        blocks.append(f' "{task}": {{\n{lines}\n }}')
    return f'{{\n "seed": {SEED},\n' + ",\n".join(blocks) + "\n}\n"


def main() -> None:
    SPLITS_FILE.write_text(text(draw(load_world())))


if __name__ == "__main__":
    main()
