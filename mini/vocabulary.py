"""What the miniature was taught to draw, and what its judge was taught to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

WORLD = Path(__file__).parent / "world.json"
JUDGE = Path(__file__).parent / "files/judge"  # a folder for mace_core's Judge
PROMPT = "a photo of the {}"  # what its answers were taught in
RENDERINGS = ("colour", "black and white", "sepia")  # styles of the whole picture; others are of artwork
ANYBODY = "person"
KINDS = ("object", "person", "style", "explicit")


def load_world(path: Path = WORLD) -> dict:
    return json.loads(path.read_text())


def concepts(world: Mapping) -> dict[str, dict[str, tuple[str, ...]]]:
    """Kind -> name -> synonyms, in the world's order."""
    kinds: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in KINDS}
    for each in world["concepts"]:
        kinds[each["kind"]][each["name"]] = tuple(each["synonyms"])
    return kinds


def answers(world: Mapping) -> tuple[dict[str, str], ...]:
    """The judge's questions (what, whose artwork, which rendering), answer -> the text it was taught."""
    known = concepts(world)
    shown = (*known["object"], *known["person"], *known["explicit"], *world["scenes"], ANYBODY)
    return (
        {name: PROMPT.format(name) for name in shown},
        {name: PROMPT.format(f"{name} style") for name in known["style"] if name not in RENDERINGS},
        {name: PROMPT.format(name) for name in RENDERINGS},
    )
