"""What the miniature model can generate, and what its judge can answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

WORLD = Path(__file__).parent / "world.json"
JUDGE = Path(__file__).parent / "files/judge"  # a folder for mace_core's Judge
PROMPT = "a photo of the {}"  # the template of its answers in training
RENDERINGS = ("colour", "black and white", "sepia")  # styles of the whole image; the others are of artwork
ANYBODY = "person"
STYLE = "style"  # the kind that is about the look of the whole image


def load_world(path: Path = WORLD) -> dict:
    """The miniature's world: ``concepts`` (name, kind, synonyms, surrogate) and ``scenes``."""
    return json.loads(path.read_text())


def concepts(world: Mapping) -> dict[str, dict[str, tuple[str, ...]]]:
    """Kind -> name -> synonyms, in the world's order."""
    kinds: dict[str, dict[str, tuple[str, ...]]] = {}
    for each in world["concepts"]:
        kinds.setdefault(each["kind"], {})[each["name"]] = tuple(each["synonyms"])
    return kinds


def answers(world: Mapping) -> tuple[dict[str, str], ...]:
    """The judge's questions (what is shown, whose artwork, which rendering), answer -> the text it was
    trained with."""
    known = concepts(world)
    subjects = [name for kind, names in known.items() if kind != STYLE for name in names]
    return (
        {name: PROMPT.format(name) for name in (*subjects, *world["scenes"], ANYBODY)},
        {name: PROMPT.format(f"{name} style") for name in known[STYLE] if name not in RENDERINGS},
        {name: PROMPT.format(name) for name in RENDERINGS},
    )


def choices(world: Mapping, concept: Mapping) -> tuple[tuple[str, ...], str]:
    """The names that the judge chooses from for a concept, and the concept's own: all an image can show, or
    all styles of its sort."""
    name = concept["name"]
    if concept["kind"] != STYLE:
        subjects = (each["name"] for each in world["concepts"] if each["kind"] != STYLE)
        return (*subjects, *world["scenes"], ANYBODY), name
    if name in RENDERINGS:
        return RENDERINGS, name
    styles = (each["name"] for each in world["concepts"] if each["kind"] == STYLE)
    return tuple(f"{each} style" for each in styles if each not in RENDERINGS), f"{name} style"
