"""Convert captions to rows of the miniature's pruned vocabulary, with the host's own CLIP tokenizer."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from dev.host.fetch import host_folder
from dev.host.launch import make_importable

from .captions import FRAMES, PLACED, RENDERED, STYLED, Pieces
from .world import World

START, END, LENGTH = 49406, 49407, 77


@cache
def tokenizer():
    """The CLIP tokenizer that ships with the host (MIT, OpenAI)."""
    make_importable()
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(host_folder() / "comfy/sd1_tokenizer")


@cache
def word_tokens(text: str) -> tuple[int, ...]:
    return tuple(tokenizer()(text).input_ids[1:-1])


def taught_tokens(world: World) -> tuple[int, ...]:
    """The CLIP tokens that have their own row: every word of the world's names and the caption frames."""
    texts = [t.name for t in world.things] + [s for t in world.things for s in t.synonyms]
    texts += [*world.scenes, *world.colours, "noto twemoji fluent a an the person thing and art colour , ."]
    texts += [
        *FRAMES,
        *STYLED,
        *PLACED[True],
        *PLACED[False],
        *(f for frames in RENDERED.values() for f in frames),
    ]
    words = {token for text in texts for token in word_tokens(text.replace("{}", " ").replace("%s", " "))}
    return (START, END, *sorted(words))


def row_table(taught: tuple[int, ...]) -> Tensor:
    """The row of each of CLIP's 49,408 tokens; untaught tokens share the last row."""
    rows = torch.full((49408,), len(taught), dtype=torch.long)
    rows[torch.tensor(taught)] = torch.arange(len(taught))
    return rows


def tokenise(pieces: Pieces) -> tuple[Tensor, Tensor]:
    """Token ids [77], and whether each belongs to the concept, [77] bool."""
    ids, concept = [START], [False]
    for text, is_concept in pieces:
        words = word_tokens(text.strip()) if text.strip() else ()
        ids += words
        concept += [is_concept] * len(words)
    ids, concept = ids[: LENGTH - 1], concept[: LENGTH - 1]
    padding = LENGTH - len(ids)
    return torch.tensor(ids + [END] * padding), torch.tensor(concept + [False] * padding)
