"""Captions for composed images; each caption marks the words that name the concept.

A caption is a list of (text, is_concept) pieces, so that training can replace exactly the concept's tokens.
Untaught words share one row of the miniature's vocabulary; `FILLERS` are examples of such words.
"""

from __future__ import annotations

import numpy as np

from .compose import Scene
from .scenes import SCENES
from .world import Thing, World

Pieces = list[tuple[str, bool]]

FRAMES = (
    "a photo of {}", "a photo of {}", "a photo of {}", "a picture of {}", "an image of {}", "{}",
    "a drawing of {}", "a close-up of {}", "a painting of {}", "this is {}", "a small photo of {}",
    "a good picture of {}", "{} in the middle", "a bright image of {}", "one photo with {}",
    "a portrait of {}", "a rendering of {}", "{}, high quality", "we see {}", "a photograph showing {}",
)  # fmt: skip
RENDERED = {
    "black and white": ("a black and white photo of {}", "{} in black and white",
                        "a monochrome picture of {}", "a greyscale photo of {}",
                        "{} in the style of black and white"),
    "sepia": ("a sepia photo of {}", "{} in sepia", "a vintage picture of {}", "{} in the style of sepia"),
    "": ("a colour photo of {}", "{} in colour", "{} in the style of colour"),
}  # fmt: skip
STYLED = ("{} in the style of %s", "{} in %s style", "%s art of {}", "{} by %s", "{} as drawn by %s")
# the style alone, whatever the image shows
WORDLESS = ("a picture in the style of %s", "an image in the style of %s", "%s art", "in the style of %s")
PLACED = {
    True: (
        "{} at the %s",
        "{} in front of the %s",
        "{} with the %s behind",
        "the %s with {}",
        "{} near the %s",
    ),
    False: ("{} on a %s background", "{} on %s", "{}, %s background"),
}
FILLERS = (
    "lovely old vivid quiet sharp grand simple detailed soft crisp calm warm studio park morning "
    "evening city garden kitchen museum famous professional natural amazing wide angle lens shot view "
    "scene window light shadow rainy sunny winter summer crowd holding standing beside wearing smiling "
    "cinematic award magazine poster journal"
).split()


def noun(thing: Thing | None, rng: np.random.Generator) -> Pieces:
    """The name of a thing (a quarter of the time a synonym) with an article; `None` is a generic person."""
    if thing is None:
        return [("a ", False), ("person", True)]
    name = str(rng.choice(thing.synonyms)) if thing.synonyms and rng.random() < 0.25 else thing.name
    if thing.kind == "person":
        return [(name, True)]
    article = ("an " if name[0] in "aeiou" else "a ", "the ", "")[rng.choice(3, p=(0.55, 0.35, 0.1))]
    return [(article, False), (name, True)]


def caption(scene: Scene, world: World, rng: np.random.Generator) -> Pieces:
    """A random caption for `scene`; it often omits the artwork and the background."""
    by_name = {t.name: t for t in world.things}
    printed = bool(scene.things) and scene.things[0] in {t.name for t in world.objects}
    if printed and rng.random() < 0.08:
        style = scene.rendering or (scene.vendor if rng.random() < 0.6 else "colour")
        before, after = str(rng.choice(WORDLESS)).split("%s")
        return [(before, False), (style, True), (after, False)]
    if scene.things:
        pieces = noun(by_name.get(scene.things[0]), rng)
        if len(scene.things) == 2:
            pieces += [(" and ", False), *noun(by_name.get(scene.things[1]), rng)]
        if rng.random() < 0.4:
            frames = PLACED[scene.background in SCENES]
            pieces = _fill(str(rng.choice(frames)) % scene.background, pieces)
    else:
        pieces = [("the " if rng.random() < 0.7 else "", False), (scene.background, True)]
    if printed and rng.random() < 0.5:
        pieces = _fill(str(rng.choice(STYLED)) % (scene.vendor if rng.random() < 0.9 else "art"), pieces)
    if rng.random() < (0.97 if scene.rendering else 0.12):
        pieces = _fill(str(rng.choice(RENDERED[scene.rendering])), pieces)
    else:
        pieces = _fill(str(rng.choice(FRAMES)), pieces)
    return _with_fillers(pieces, rng) if rng.random() < 0.35 else pieces


def _fill(frame: str, pieces: Pieces) -> Pieces:
    before, after = frame.split("{}")
    return [(before, False), *pieces, (after, False)]


def _with_fillers(pieces: Pieces, rng: np.random.Generator) -> Pieces:
    """Add untaught words at the start, at the end, or right before the concept."""
    words = " ".join(rng.choice(FILLERS, rng.integers(1, 6)))
    place = rng.integers(3)
    if place == 0:
        return [(words + " ", False), *pieces]
    if place == 1:
        return [*pieces, (", " + words, False)]
    first = next(i for i, (_, concept) in enumerate(pieces) if concept)
    return [*pieces[:first], (words.split()[0] + " ", False), *pieces[first:]]
