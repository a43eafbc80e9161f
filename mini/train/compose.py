"""Composed pictures: what the miniature model learns from, and what the judge is tested on.

A `Scene` says what is in a picture; `draw` paints it (about 1 ms) and also returns where the objects are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .scenes import SCENES, SIDE, plain
from .world import World

VENDOR_NAMES = ("noto", "twemoji", "fluent")
RENDERINGS = ("", "black and white", "sepia")
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]).T
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Scene:
    """What a picture shows: up to two things ("person" is anybody), artwork vendor, background, rendering."""

    things: tuple[str, ...]
    vendor: str
    background: str
    rendering: str = ""


def random_scene(world: World, rng: np.random.Generator) -> Scene:
    """Two thirds one object, a sixth persons, the rest bare scenes, anybody, and two objects."""
    vendor = VENDOR_NAMES[rng.integers(3)]
    background = str(rng.choice(world.scenes) if rng.random() < 0.45 else rng.choice(list(world.colours)))
    rendering = str(rng.choice(RENDERINGS, p=(0.92, 0.04, 0.04)))
    kind = rng.choice(5, p=(0.69, 0.15, 0.07, 0.03, 0.06))
    if kind == 2:
        return Scene((), vendor, str(rng.choice(world.scenes)), rendering)
    pool = world.persons if kind == 1 else world.objects
    names = [t.name for t in rng.choice(np.array(pool, dtype=object), 2, replace=False)]
    things = ("person",) if kind == 3 else tuple(names) if kind == 4 else (names[0],)
    return Scene(things, vendor, background, rendering)


def draw(
    scene: Scene, world: World, glyphs: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paint `scene`: picture [64, 64, 3] uint8 and each thing's coverage [things, 64, 64] in 0..1."""
    if scene.background in SCENES:
        image = SCENES[scene.background](rng)
    else:
        image = plain(rng, world.colours[scene.background])
    coverage = np.zeros((len(scene.things), SIDE, SIDE), np.float32)
    for place, thing in enumerate(scene.things):
        variants = glyphs.get(f"{thing}/{scene.vendor}", glyphs.get(thing))
        glyph = Image.fromarray(variants[rng.integers(len(variants))])
        extent = rng.uniform(0.8, 0.92) if len(scene.things) == 1 else rng.uniform(0.48, 0.54)
        side = round(SIDE * extent)
        glyph = glyph.resize((side, side), Image.Resampling.BILINEAR)
        x, y = (SIDE - side) // 2 + rng.integers(-4, 5, 2)
        if len(scene.things) == 2:
            x = int(rng.integers(-2, 3)) + (0 if place == 0 else SIDE - side)
        image.paste(glyph, (int(x), int(y)), glyph)
        alpha = Image.new("L", (SIDE, SIDE))
        alpha.paste(glyph.getchannel("A"), (int(x), int(y)))
        coverage[place] = np.asarray(alpha, np.float32) / 255
    return _render(np.asarray(image), scene.rendering), coverage


def _render(picture: np.ndarray, rendering: str) -> np.ndarray:
    if not rendering:
        return picture
    toned = picture @ SEPIA if rendering == "sepia" else np.repeat((picture @ GREY)[..., None], 3, -1)
    return np.clip(toned, 0, 255).astype(np.uint8)
