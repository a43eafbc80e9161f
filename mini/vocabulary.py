"""The concepts the miniature was trained to generate, and the answers its judge was trained to give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

WORLD = Path(__file__).parent / "world.json"
JUDGE = Path(__file__).parent / "files/judge"  # in the format of mace_core's Judge
PROMPT = "a photo of the {}"  # the template of the answers
RENDERINGS = ("colour", "black and white", "sepia")  # of the whole image; other styles are of an artwork
ANYBODY = "person"
KINDS = ("object", "person", "style", "explicit")


def load_world(path: Path = WORLD) -> dict:
    return json.loads(path.read_text())


def concepts(world: Mapping) -> dict[str, dict[str, tuple[str, ...]]]:
    """Kind -> name -> synonyms, in the order of world.json."""
    kinds: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in KINDS}
    for each in world["concepts"]:
        kinds[each["kind"]][each["name"]] = tuple(each["synonyms"])
    return kinds


def answers(world: Mapping) -> tuple[dict[str, str], ...]:
    """The judge's questions, each as answer -> text that the judge was trained on.

    The questions are: what the image shows, whose artwork it shows, which rendering it has.
    """
    known = concepts(world)
    shown = (*known["object"], *known["person"], *known["explicit"], *world["scenes"], ANYBODY)
    return (
        {name: PROMPT.format(name) for name in shown},
        {name: PROMPT.format(f"{name} style") for name in known["style"] if name not in RENDERINGS},
        {name: PROMPT.format(name) for name in RENDERINGS},
    )
