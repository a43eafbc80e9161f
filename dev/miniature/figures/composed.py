"""The judge on held-out composed images, as they are and after the autoencoder.

The latter is its ceiling: generated images cannot be expected to be classified correctly more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..compose import RENDERINGS, VENDOR_NAMES, Scene, draw, random_scene
from ..judge import groups
from ..pool import as_tensor
from ..world import Thing, World
from .artist import BATCH, Artist, mean

SEED = 77  # not a seed of the training pool
EACH, PAIRS, STYLED = 10, 200, 60  # images per concept, of pairs, per style


class Composer:
    """Composes held-out images: backgrounds, jitter and artwork as in training, with another seed."""

    def __init__(self, world: World, glyphs: dict[str, np.ndarray]):
        self.world, self.glyphs, self.rng = world, glyphs, np.random.default_rng(SEED)

    def scene(self, *things: str, **details: str) -> Scene:
        return replace(random_scene(self.world, self.rng), things=things, **details)

    def pair(self) -> tuple[str, str]:
        return tuple(str(name) for name in self.rng.choice([t.name for t in self.world.objects], 2, False))

    def another(self, thing: Thing) -> Thing:
        """A random object other than `thing`."""
        others = [other for other in self.world.objects if other != thing]
        return others[self.rng.integers(len(others))]

    def paint(self, scenes: Sequence[Scene]) -> tuple[Tensor, list[np.ndarray]]:
        """Images [n, 3, 64, 64] in 0..1, and for each the coverage of its things [things, 64, 64]."""
        painted = [draw(scene, self.world, self.glyphs, self.rng) for scene in scenes]
        return as_tensor(np.stack([picture for picture, _ in painted])), [mask for _, mask in painted]


@dataclass(frozen=True)
class Ceilings:
    """Percentages classified correctly: composed images (`seen`), and after the autoencoder (`ceiling`)."""

    seen: dict[str, float]  # by subject
    ceiling: dict[str, float]
    seen_styles: dict[str, float]  # by style
    ceiling_styles: dict[str, float]
    ceiling_pairs: float

    def of(self, names: Sequence[str]) -> float:
        return mean([self.ceiling[name] for name in names])


@torch.no_grad()
def through_vae(artist: Artist, pictures: Tensor) -> Tensor:
    parts = pictures.split(BATCH)
    return torch.cat([artist.vae.decode(artist.vae.encode(part)).clamp(0, 1) for part in parts])


def style_choices(artist: Artist, style: str) -> tuple[str, list[str]]:
    """The judge's name for a style, and the names it chooses from: artwork or rendering."""
    names = groups(artist.world)
    if style in RENDERINGS:
        return style, names["rendering"]
    return f"{style} style", names["artwork"]


def measure(artist: Artist, composer: Composer) -> Ceilings:
    """All figures about the judge itself."""
    things = [thing.name for thing in artist.nameable for _ in range(EACH)]
    seen, ceiling = _right(artist, composer, [composer.scene(name) for name in things], things)
    by_style = [_styled(artist, composer, style.name) for style in artist.world.styles]
    pairs = [composer.pair() for _ in range(PAIRS)]
    pictures = through_vae(artist, composer.paint([composer.scene(*pair) for pair in pairs])[0])
    found = artist.pair_named(pictures.permute(0, 2, 3, 1))
    both = [named == set(pair) for named, pair in zip(found, pairs, strict=True)]
    styles = [style.name for style in artist.world.styles]
    return Ceilings(
        _by_name(things, seen),
        _by_name(things, ceiling),
        {name: figures[0] for name, figures in zip(styles, by_style, strict=True)},
        {name: figures[1] for name, figures in zip(styles, by_style, strict=True)},
        100 * mean(both),
    )


def _right(artist: Artist, composer: Composer, scenes: list[Scene], wanted: list[str], names=None) -> tuple:
    names = names or artist.subjects
    pictures, _ = composer.paint(scenes)
    return tuple(
        [named == want for named, want in zip(artist.named(p.permute(0, 2, 3, 1), names), wanted)]
        for p in (pictures, through_vae(artist, pictures))
    )


def _styled(artist: Artist, composer: Composer, style: str) -> tuple[float, float]:
    called, names = style_choices(artist, style)
    detail = {"vendor": style, "rendering": ""} if style in VENDOR_NAMES else {"rendering": style}
    objects = composer.rng.choice([t.name for t in artist.world.objects], STYLED)
    scenes = [composer.scene(str(name), **detail) for name in objects]
    seen, ceiling = _right(artist, composer, scenes, [called] * STYLED, names)
    return 100 * mean(seen), 100 * mean(ceiling)


def _by_name(names: Sequence[str], right: Sequence[bool]) -> dict[str, float]:
    counted: dict[str, list[bool]] = {}
    for name, each in zip(names, right, strict=True):
        counted.setdefault(name, []).append(each)
    return {name: 100 * mean(each) for name, each in counted.items()}
