"""What each word of a prompt attends to: the maps of the paper's figure 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoder.alignment import end_token
from ..encoder.text_encoder import TextEncoder
from .attention_loss import layer_size

END = "(end)"  # the end token and the padding after it, which repeats what the prompt said


def words_of(encoder: TextEncoder, prompt: str, tokens: Tensor) -> tuple[tuple[str, slice], ...]:
    """Every word of the prompt with the positions of its tokens ``[L]``, and ``END``.

    Raises ValueError for a prompt without words, or with words that the tokenizer joins.
    """
    words = prompt.split()
    if not words:
        raise ValueError("The prompt has no words, so there is no attention to look at: write a prompt.")
    start, found = 1, []  # 1: the start token
    for word in words:
        ids = encoder.word_tokens(word)
        if tuple(tokens[start:start + len(ids)].tolist()) != tuple(ids):
            raise ValueError(f"The word '{word}' is not found in the tokens of the prompt: "
                             "write it in plain words without special characters.")
        found.append((word, slice(start, start + len(ids))))
        start += len(ids)
    end = end_token(tokens, slice(0, start))
    return (*found, (END, slice(end, len(tokens))))


def word_heat(maps: Iterable[Tensor], words: Sequence[slice], size: tuple[int, int]) -> Tensor:
    """The attention of each place to each word, averaged over layers and heads: ``[n, words, h, w]`` in 0..1.

    maps: per layer the probabilities ``[n, heads, places, L]``; size: of the latents (h, w).
    A word's tokens are added up, so that the words' heats and the start token's are 1 together.
    """
    layers = []
    for attention in maps:
        shares = torch.stack([attention[..., word].float().sum(-1).mean(1) for word in words], 1)
        square = shares.unflatten(-1, layer_size(shares.shape[-1], size))
        layers.append(F.interpolate(square, size, mode="bilinear", align_corners=False).cpu())
    return torch.stack(layers).mean(0)
