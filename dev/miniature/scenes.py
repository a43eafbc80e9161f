"""Backgrounds of the miniature world, 64 x 64: eleven scenes and plain colours, with small variations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64


def _bands(
    rng: np.random.Generator, top: tuple, bottom: tuple, horizon: int
) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    shift = rng.integers(-8, 9)
    horizon = horizon + int(rng.integers(-5, 6))
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(np.clip(c + shift, 0, 255)) for c in top))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, horizon, SIDE, SIDE), fill=tuple(int(np.clip(c + shift, 0, 255)) for c in bottom))
    return image, draw, horizon


def _spots(rng, draw, n, fill, rows, size) -> None:
    for _ in range(n):
        x, y = int(rng.integers(0, SIDE)), int(rng.integers(*rows))
        draw.ellipse((x, y, x + size, y + size), fill=fill)


def sea(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (190, 225, 245), (35, 105, 175), 24)
    for y in range(h + 5, SIDE, 9):
        for x in range(int(rng.integers(-12, 0)), SIDE, 16):
            draw.arc((x, y, x + 12, y + 7), 180, 360, fill=(150, 200, 235), width=2)
    return image


def sky(rng: np.random.Generator) -> Image.Image:
    image, draw, _ = _bands(rng, (95, 165, 235), (135, 190, 245), 40)
    for _ in range(3):
        x, y = int(rng.integers(-6, 48)), int(rng.integers(2, 54))
        draw.ellipse((x, y + 3, x + 22, y + 11), fill="white")
        draw.ellipse((x + 6, y - 2, x + 16, y + 9), fill="white")
    return image


def street(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (205, 215, 225), (75, 75, 82), 38)
    for x in range(int(rng.integers(-10, 0)), SIDE, 14):
        draw.rectangle(
            (x, h - int(rng.integers(12, 34)), x + 11, h - 1),
            fill=(150, 120, 110) if x % 3 else (115, 130, 150),
        )
    for x in range(int(rng.integers(-8, 0)), SIDE, 16):
        draw.rectangle((x, h + 12, x + 9, h + 14), fill=(245, 240, 200))
    return image


def ground(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (225, 210, 190), (130, 90, 60), 34)
    _spots(rng, draw, 14, (100, 68, 45), (h + 2, SIDE), 4)
    return image


def meadow(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (190, 225, 250), (95, 170, 70), 36)
    x = int(rng.integers(-10, 30))
    draw.ellipse((x - 20, h - 9, x + 40, h + 24), fill=(95, 170, 70))
    _spots(rng, draw, 9, (250, 240, 120), (h + 4, SIDE), 2)
    return image


def desert(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (250, 205, 140), (225, 165, 85), 36)
    x = int(rng.integers(-20, 20))
    draw.ellipse((x - 10, h - 10, x + 50, h + 30), fill=(205, 140, 70))
    return image


def snow(rng: np.random.Generator) -> Image.Image:
    image, draw, _ = _bands(rng, (165, 190, 215), (245, 248, 252), 38)
    _spots(rng, draw, 16, "white", (0, SIDE), 3)
    return image


def night(rng: np.random.Generator) -> Image.Image:
    image, draw, _ = _bands(rng, (18, 22, 60), (12, 14, 40), 46)
    _spots(rng, draw, 14, (250, 245, 190), (0, SIDE), 2)
    return image


def beach(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (150, 215, 245), (245, 220, 160), 38)
    draw.rectangle((0, h - 9, SIDE, h), fill=(40, 175, 185))
    return image


def table(rng: np.random.Generator) -> Image.Image:
    image, draw, h = _bands(rng, (235, 225, 205), (175, 115, 65), 40)
    for y in range(h + 7, SIDE, 8):
        draw.line((0, y, SIDE, y), fill=(145, 90, 48), width=1)
    return image


def wall(rng: np.random.Generator) -> Image.Image:
    image, draw, _ = _bands(rng, (190, 95, 75), (190, 95, 75), 0)
    offset = int(rng.integers(0, 8))
    for row, y in enumerate(range(offset - 8, SIDE, 9)):
        draw.line((0, y, SIDE, y), fill=(225, 205, 190), width=2)
        for x in range(-8 if row % 2 else 0, SIDE, 16):
            draw.line((x, y, x, y + 9), fill=(225, 205, 190), width=2)
    return image


SCENES: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    f.__name__: f for f in (sea, sky, street, ground, meadow, desert, snow, night, beach, table, wall)
}


def plain(rng: np.random.Generator, colour: tuple[int, int, int]) -> Image.Image:
    """A flat background in a slightly jittered colour."""
    jittered = np.clip(np.asarray(colour) + rng.integers(-12, 13, 3), 0, 255)
    return Image.new("RGB", (SIDE, SIDE), tuple(int(c) for c in jittered))
