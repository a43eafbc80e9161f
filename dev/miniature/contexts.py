"""Captions of the pool, and their embeddings: computed once by the frozen text encoder for the U-Net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .captions import Pieces, caption
from .pool import load_scenes
from .text import MiniText
from .tokens import row_table, taught_tokens, tokenise
from .world import World


def pool_captions(folder: Path, world: World, seed: int) -> list[Pieces]:
    """One caption per image of the pool."""
    rng = np.random.default_rng(seed)
    return [caption(scene, world, rng) for scene in load_scenes(folder)]


def caption_rows(captions: list[Pieces], world: World) -> tuple[Tensor, Tensor]:
    """Vocabulary rows [n, 77] of the captions, and whether each names the concept, [n, 77] bool."""
    table = row_table(taught_tokens(world))
    tokens, concept = zip(*(tokenise(pieces) for pieces in captions), strict=True)
    return table[torch.stack(tokens)], torch.stack(concept)


@torch.no_grad()
def write_contexts(folder: Path, model: MiniText, rows: Tensor, concept: Tensor, batch: int = 128) -> None:
    """Write folder/full.npy and folder/neutral.npy, [n, 77, 128] float16.

    `full` embeds the captions; `neutral` embeds them with an untaught word for each word of the concept.
    """
    if (folder / "neutral.npy").exists():
        return
    untaught = torch.where(concept, model.clip.config.vocab_size - 1, rows)
    for name, source in (("full", rows), ("neutral", untaught)):
        encoded = [model(part).half().numpy() for part in source.split(batch)]
        np.save(folder / f"{name}.npy", np.concatenate(encoded))


@torch.no_grad()
def empty_context(model: MiniText) -> Tensor:
    """Embeddings of the empty prompt [1, 77, 128]: a start token, then end tokens."""
    rows = torch.ones(1, 77, dtype=torch.long)
    rows[0, 0] = 0
    return model(rows)
