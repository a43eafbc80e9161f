"""Cross-attention maps: their sizes, and the heat maps of concepts and words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoder.alignment import end_token
from ..encoder.text_encoder import TextEncoder, names_embedding
from ..files.shown import shown


def layer_size(pixels: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of a layer with ``pixels`` queries; the U-Net halves the latent, rounding up.

    Raises ValueError if no halving of ``latent_size`` has that many pixels.
    """
    h, w = latent_size
    while h * w > max(pixels, 1):
        h, w = (h + 1) // 2, (w + 1) // 2
    if h * w != pixels:
        raise ValueError(
            f"A cross-attention layer has {pixels} positions, which does not fit a latent of "
            f"{latent_size[0]} x {latent_size[1]}: use an image width and height that are multiples of 64."
        )
    return h, w


def resize_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks ``[B, H, W]``, averaged over the cells of a layer of ``size`` (h, w) and flattened: ``[B,
    h*w]``."""
    return F.interpolate(masks[:, None], size=size, mode="area").flatten(1)


def attention_heat(maps: Iterable[Tensor], positions: slice, size: tuple[int, int]) -> Tensor:
    """How much each place of the latents attends to the phrase: ``[n, h, w]``, 1 on average.

    maps: the probabilities ``[n, heads, places, L]`` of each layer; positions: the phrase's tokens;
    size: (h, w) of the latents. All layers count the same, whatever their resolution and however much of
    their attention goes to words.
    """
    heats = []
    for attention in maps:
        share = attention[..., positions].float().sum(-1).mean(1)
        share = share / share.mean(-1, keepdim=True).clamp_min(1e-12)
        square = share.unflatten(-1, layer_size(share.shape[-1], size)).unsqueeze(1)
        heats.append(F.interpolate(square, size, mode="bilinear", align_corners=False).squeeze(1).cpu())
    return torch.stack(heats).mean(0)


END = "(end)"  # the end token and the padding after it, which repeat the content of the prompt


def words_of(encoder: TextEncoder, prompt: str, tokens: Tensor) -> tuple[tuple[str, slice], ...]:
    """Every word of the prompt with the positions of its tokens, and ``END``; tokens: ids ``[L]``.

    Raises ValueError for a prompt without words, with an embedding, or with words that the tokenizer joins.
    """
    words = prompt.split()
    if not words:
        raise ValueError("The prompt has no words, so there is no attention to show: write a prompt.")
    if names_embedding(prompt):
        raise ValueError(
            f"The prompt {shown(prompt)} names a textual-inversion embedding, which has no words to "
            "show: write it in plain words."
        )
    start, found = 1, []  # 1: the start token
    for word in words:
        ids = encoder.word_tokens(word)
        if tuple(tokens[start : start + len(ids)].tolist()) != tuple(ids):
            raise ValueError(
                f"The word {shown(word)} was not found in the tokens of the prompt: "
                "use plain words without special characters."
            )
        found.append((word, slice(start, start + len(ids))))
        start += len(ids)
    end = end_token(tokens, slice(0, start))
    return (*found, (END, slice(end, len(tokens))))


def word_heat(maps: Iterable[Tensor], words: Sequence[slice], size: tuple[int, int]) -> Tensor:
    """The attention of each place to each word, averaged over layers and heads: ``[n, words, h, w]`` in 0..1.

    maps: the probabilities ``[n, heads, places, L]`` of each layer; words: positions of their tokens;
    size: (h, w) of the latents. The tokens of a word are summed, so all words and the start token add up to
    1.
    """
    layers = []
    for attention in maps:
        shares = torch.stack([attention[..., word].float().sum(-1).mean(1) for word in words], 1)
        square = shares.unflatten(-1, layer_size(shares.shape[-1], size))
        layers.append(F.interpolate(square, size, mode="bilinear", align_corners=False).cpu())
    return torch.stack(layers).mean(0)
