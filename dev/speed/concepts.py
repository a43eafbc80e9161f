"""Concepts for lists of any length, and a text encoder for them without weights."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import islice, product

from dev.fullsize.closed_form import RandomEmbeddings
from mace_core.concepts.concepts import Concept

PROMPTS = 33  # of a person without synonyms
TOKENS = 77
_FIRST = "Ada Ben Cleo Dov Enid Finn Gwen Hal Iris Jon Kit Liv Max Nell".split()
_SECOND = "bel dor fin gar hem lan mor nex pol quin ros tam ver wil".split()
_LAST = "berg by croft dale field ham land ley mont son stead ton well".split()
_COLOURS = "amber azure beige coral ivory khaki lilac mauve ochre olive pearl teal".split()
_THINGS = dict(
    pair.split("/")
    for pair in "anvil/stone banjo/box canoe/log drum/barrel easel/ladder flask/cup goblet/vase harp/gate "
    "igloo/hill jug/bucket kettle/pan lantern/candle medal/coin nest/basket oar/stick piano/table "
    "quilt/carpet rocket/tower sofa/bench teapot/bowl".split()
)  # a thing and what replaces it


def people(count: int) -> list[Concept]:
    """Persons: 33 prompt pairs each, and one surrogate for all. Up to 2,548."""
    names = islice(((f, s + t) for s, t, f in product(_SECOND, _LAST, _FIRST)), count)
    return [Concept(f"{first} {last.capitalize()}", "a person", "person") for first, last in names]


def things(count: int) -> list[Concept]:
    """Objects with surrogates of their own. Up to 240."""
    named = islice(product(_COLOURS, _THINGS.items()), count)
    return [Concept(f"{colour} {thing}", f"{colour} {other}") for colour, (thing, other) in named]


class Words:
    """A tokenizer with one token per word."""

    context_length = TOKENS

    def word_tokens(self, phrase: str) -> tuple[int, ...]:
        return tuple(
            1 + zlib.crc32(word.encode()) % 49000 for word in re.findall(r"\w+|[^\w\s]", phrase.lower())
        )


def encoder(d: int) -> RandomEmbeddings:
    """A text encoder of width d with random embeddings; its own time is in its `seconds`."""
    return RandomEmbeddings(Words(), d)


def as_csv(concepts: Sequence[Concept]) -> str:
    """A list file for the node Erase Concepts."""
    rows = [f"{each.target},{each.surrogate},{each.kind}" for each in concepts]
    return "\n".join(["target,surrogate,kind", *rows, ""])
