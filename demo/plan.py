"""What one run of the demo erases, what it draws to find out, and what the judge may answer."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mace_core.drawing import DRAWN_WITH

WORLD = Path(__file__).resolve().parents[1] / "mini" / "world.json"
CLASSES = 10  # the first ten concepts of a kind: for objects CIFAR-10's classes, as in the paper
ANYBODY = "a person"


@dataclass(frozen=True)
class Plan:
    """`synonyms` are never shown to the erasure: they measure generality. `names`: the judge's choice."""

    target: str
    surrogate: str
    kind: str
    synonyms: tuple[str, ...]
    kept: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every prompt set, by the phrase it is about."""
        return (self.target, *self.synonyms, *self.kept)

    def prompt(self, phrase: str) -> str:
        return DRAWN_WITH[self.kind].format(phrase)


def load_world(path: Path = WORLD) -> dict:
    return json.loads(path.read_text())


def make_plan(world: Mapping, target: str, surrogate: str = "") -> Plan:
    """The world says a concept's synonyms and its usual surrogate."""
    concepts = {each["name"]: each for each in world["concepts"] if each["kind"] in ("object", "person")}
    if target not in concepts:
        near = difflib.get_close_matches(target, concepts, n=3, cutoff=0.3) or list(concepts)[:3]
        raise ValueError(f"The miniature model has no object or person called '{target}': "
                         f"take another, such as {', '.join(near)}.")
    concept = concepts[target]
    same_kind = [name for name, each in concepts.items() if each["kind"] == concept["kind"]]
    return Plan(
        target, surrogate or concept["surrogate"], concept["kind"], tuple(concept["synonyms"]),
        kept=tuple(name for name in same_kind[:CLASSES] if name != target),
        names=(*concepts, *world["scenes"], ANYBODY))
