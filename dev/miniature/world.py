"""The names of the miniature world, from mini/world.json, which the pack, the demo and the training share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mini.vocabulary import WORLD
from mini.vocabulary import load_world as read_world

WORLD_FILE = WORLD.resolve()


@dataclass(frozen=True)
class Thing:
    """One nameable concept: its name, kind, synonyms and surrogate, and its emoji's name."""

    name: str
    kind: str
    synonyms: tuple[str, ...]
    surrogate: str
    glyph: str = ""


@dataclass(frozen=True)
class World:
    """All concepts, plus the scenes and plain colours that are backgrounds and surrogates."""

    things: tuple[Thing, ...]
    scenes: tuple[str, ...]
    colours: dict[str, tuple[int, int, int]]

    @cached_property
    def objects(self) -> tuple[Thing, ...]:
        return tuple(t for t in self.things if t.kind == "object")

    @cached_property
    def persons(self) -> tuple[Thing, ...]:
        return tuple(t for t in self.things if t.kind == "person")

    @cached_property
    def styles(self) -> tuple[Thing, ...]:
        return tuple(t for t in self.things if t.kind == "style")


def load_world() -> World:
    data = read_world()
    things = tuple(
        Thing(c["name"], c["kind"], tuple(c["synonyms"]), c["surrogate"], c.get("glyph", ""))
        for c in data["concepts"]
    )
    return World(things, tuple(data["scenes"]), {k: tuple(v) for k, v in data["colours"].items()})
