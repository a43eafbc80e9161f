"""Composed images: what the miniature learns from, and what the judge is tested on.

A `Scene` says what an image shows; `draw` paints it (about 1 ms) and also returns where the objects are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .scenes import SCENES, SIDE, plain
from .world import World

VENDOR_NAMES = ("noto", "twemoji", "fluent")
RENDERINGS = ("", "black and white", "sepia")
# At 64 pixels, artwork alone tells vendors apart only object by object, but a style must be common to all its
# images. So each vendor also has its own rim colour, and its own colour that the background fades to.
MANNERS = {"noto": ((25, 20, 30), 0), "twemoji": ((255, 255, 255), 255), "fluent": (None, None)}
RIM, FADE = 2, 0.45  # rim width in pixels; share of the background that fades
PAIR = 0.60, 0.66  # size in a pair, as a share of SIDE: opposite corners with a small overlap
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]).T
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Scene:
    """What an image shows: up to two things ("person" is generic), artwork vendor, background, rendering."""

    things: tuple[str, ...]
    vendor: str
    background: str
    rendering: str = ""


def random_scene(world: World, rng: np.random.Generator) -> Scene:
    """Half one object, a quarter two, an eighth a person, the rest an empty scene or a generic person."""
    vendor = VENDOR_NAMES[rng.integers(3)]
    background = str(rng.choice(world.scenes) if rng.random() < 0.45 else rng.choice(list(world.colours)))
    rendering = str(rng.choice(RENDERINGS, p=(0.88, 0.06, 0.06)))
    kind = rng.choice(5, p=(0.54, 0.12, 0.06, 0.03, 0.25))
    if kind == 2:
        return Scene((), vendor, str(rng.choice(world.scenes)), rendering)
    pool = world.persons if kind == 1 else world.objects
    names = [t.name for t in rng.choice(np.array(pool, dtype=object), 2, replace=False)]
    things = ("person",) if kind == 3 else tuple(names) if kind == 4 else (names[0],)
    return Scene(things, vendor, background, rendering)


def draw(
    scene: Scene, world: World, glyphs: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paint `scene`: image [64, 64, 3] uint8, and the coverage of each thing [things, 64, 64] in 0..1."""
    if scene.background in SCENES:
        image = SCENES[scene.background](rng)
    else:
        image = plain(rng, world.colours[scene.background])
    printed = any(f"{thing}/{scene.vendor}" in glyphs for thing in scene.things)  # faces have no vendor
    rim, ground = MANNERS[scene.vendor] if printed else (None, None)
    if ground is not None:
        image = Image.blend(image, Image.new("RGB", image.size, (ground,) * 3), FADE)
    coverage = np.zeros((len(scene.things), SIDE, SIDE), np.float32)
    for place, thing in enumerate(scene.things):
        variants = glyphs.get(f"{thing}/{scene.vendor}", glyphs.get(thing))
        glyph = Image.fromarray(variants[rng.integers(len(variants))])
        pair = len(scene.things) == 2
        side = round(SIDE * rng.uniform(*(PAIR if pair else (0.8, 0.92))))
        glyph = glyph.resize((side, side), Image.Resampling.BILINEAR)
        x, y = (SIDE - side) // 2 + rng.integers(-4, 5, 2)
        if pair:
            x, y = rng.integers(-1, 2, 2) + (0 if place == 0 else SIDE - side)
        alpha = Image.new("L", (SIDE, SIDE))
        alpha.paste(glyph.getchannel("A"), (int(x), int(y)))
        if rim is not None:
            image.paste(rim, mask=alpha.filter(ImageFilter.MaxFilter(2 * RIM + 1)))
        image.paste(glyph, (int(x), int(y)), glyph)
        coverage[:place] *= 1 - np.asarray(alpha, np.float32) / 255
        coverage[place] = np.asarray(alpha, np.float32) / 255
    return _render(np.asarray(image), scene.rendering), coverage


def _render(picture: np.ndarray, rendering: str) -> np.ndarray:
    if not rendering:
        return picture
    toned = picture @ SEPIA if rendering == "sepia" else np.repeat((picture @ GREY)[..., None], 3, -1)
    return np.clip(toned, 0, 255).astype(np.uint8)
