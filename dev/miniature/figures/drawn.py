"""What the judge sees in the generated images: names, synonyms, held-out templates, styles, pairs, halves.

Unless it says otherwise, a percentage is the share of images that the judge classifies as the concept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..compose import RENDERINGS
from ..contexts import caption_rows
from ..world import Thing, read_world
from .artist import Artist, a, mean, plain_prompt
from .composed import style_choices

NAMES, SYNONYMS, TEMPLATES, STYLES, PAIRS, HALVES = 10, 4, 1, 40, 100, 2  # images per item
SEEDS = {
    name: i + 1
    for i, name in enumerate(("names", "synonyms", "templates", "styles", "pairs", "word", "rest"))
}


def names(artist: Artist) -> dict[str, float]:
    """Percentage by concept, for its name in the plainest prompt."""
    asked = [(plain_prompt(thing), thing.name) for thing in artist.nameable]
    shares = artist.share(asked, NAMES, SEEDS["names"])
    return {thing.name: share for thing, share in zip(artist.nameable, shares, strict=True)}


def synonyms(artist: Artist) -> dict[str, float]:
    """Percentage by synonym, for the object that it stands for."""
    told = [(word, thing) for thing in artist.world.objects for word in thing.synonyms]
    asked = [(plain_prompt(thing, word), thing.name) for word, thing in told]
    shares = artist.share(asked, SYNONYMS, SEEDS["synonyms"])
    return {word: share for (word, _), share in zip(told, shares, strict=True)}


def held_out_templates() -> tuple[str, ...]:
    return tuple(read_world()["held_out_templates"])


def templates(artist: Artist) -> dict[str, float]:
    """Percentage by template, over all concepts; no training caption uses them."""
    said = [(frame, thing) for frame in held_out_templates() for thing in artist.nameable]
    asked = [
        (frame.format(thing.name if thing.kind == "person" else f"the {thing.name}"), thing.name)
        for frame, thing in said
    ]
    shares = artist.share(asked, TEMPLATES, SEEDS["templates"])
    count = len(artist.nameable)
    return {frame: mean(shares[i * count : (i + 1) * count]) for i, frame in enumerate(held_out_templates())}


def styles(artist: Artist) -> dict[str, float]:
    """Percentage in the style that the prompt names, by style.

    The judge chooses among the artworks or among the renderings.
    """
    rng, found = np.random.default_rng(SEEDS["styles"]), {}
    for style in (thing.name for thing in artist.world.styles):
        objects = rng.choice([thing.name for thing in artist.world.objects], STYLES)
        frame = "the {} in {}" if style in RENDERINGS else "a photo of the {} in the style of {}"
        contexts = artist.contexts([frame.format(name, style) for name in objects])
        called, choices = style_choices(artist, style)
        named = artist.named(artist.draw(contexts, SEEDS["styles"]), choices)
        found[style] = 100 * mean([each == called for each in named])
    return found


def pairs(artist: Artist) -> float:
    """Percentage of "a photo of a A and a B" in which the judge sees A in one corner and B in the other."""
    rng = np.random.default_rng(SEEDS["pairs"])
    objects = [thing.name for thing in artist.world.objects]
    told = [tuple(str(name) for name in rng.choice(objects, 2, replace=False)) for _ in range(PAIRS)]
    contexts = artist.contexts([f"a photo of {a(first)} and {a(second)}" for first, second in told])
    named = artist.pair_named(artist.draw(contexts, SEEDS["pairs"]))
    return 100 * mean([found == set(pair) for found, pair in zip(named, told, strict=True)])


def halves(artist: Artist) -> tuple[dict[str, float], dict[str, float]]:
    """Percentages by concept: with the word's own embedding alone, and without it (see `split`)."""
    contexts = zip(*(split(artist, thing) for thing in artist.nameable), strict=True)
    subjects = [thing.name for thing in artist.nameable]
    found = []
    for seed, each in zip(("word", "rest"), contexts, strict=True):
        repeated = torch.stack(each).repeat_interleave(HALVES, 0)
        found.append(dict(zip(subjects, artist.share_of(repeated, subjects, SEEDS[seed]), strict=True)))
    return found[0], found[1]


@torch.no_grad()
def split(artist: Artist, thing: Thing) -> tuple[Tensor, Tensor]:
    """The two sources of a concept in a prompt's embeddings, each [77, 128] (figure 2 of the paper).

    First: the word's own embedding in an otherwise neutral prompt, whose tokens attend to an untaught word.
    Second: all other tokens, which attend to the word, with the surrogate's embedding in place of the word's.
    """
    before, after = plain_prompt(thing, "|").split("|")
    pieces = [[(before, False), (word, True), (after, False)] for word in (thing.name, thing.surrogate)]
    rows, (own, others) = caption_rows(pieces, artist.world)
    untaught = torch.where(own, artist.text.clip.config.vocab_size - 1, rows[0])
    told, surrogate, neutral = artist.text(torch.stack([rows[0], rows[1], untaught]))
    replacement = surrogate[others]
    # a shorter surrogate repeats its last token
    place = torch.arange(int(own.sum())).clamp(max=len(replacement) - 1)
    without = told.clone()
    without[own] = replacement[place]
    return torch.where(own[:, None], told, neutral), without
