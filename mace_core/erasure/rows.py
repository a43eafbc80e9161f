"""The tokens of prompts that a gate is made from, and the prototypes made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..concepts.prompts import PromptPair
from ..encoder.alignment import end_and_padding, locate
from ..encoder.text_encoder import EncodedPrompts, TextEncoder, encode_once


@dataclass(frozen=True, eq=False)
class Rows:
    """Of n prompts: tokens ``[n, 3, d]``, their WORD, END and PADDING; next ``[n, d]``, the token after the
    phrase; parts ``[k, d]``, the tokens of their phrases before the last; pooled ``[n, p]`` or None; float32.
    """

    tokens: Tensor
    next: Tensor
    parts: Tensor
    pooled: Tensor | None


@dataclass(frozen=True, eq=False)
class Prototypes:
    """vectors ``[3, phrases, d]``, unit length: a prototype per phrase for WORD, END and PADDING; own
    ``[3, phrases]``: the cosine of a typical token of the phrase; others: three tensors ``[n, phrases]``,
    those of what is not the concept."""

    vectors: Tensor
    own: Tensor
    others: Sequence[Tensor]


def prompt_rows(
    encoder: TextEncoder, pairs: Sequence[PromptPair], progress: Callable[[int, int], None] | None = None
) -> Rows:
    """The rows of each target prompt; a prompt without padding repeats END.

    Raises ValueError if a phrase is not found in its prompt.
    """
    encoded = encode_once(encoder, [pair.target for pair in pairs], progress)
    each = [_tokens_of(encoder, pair, encoded[pair.target]) for pair in pairs]
    pooled = [encoded[pair.target].pooled for pair in pairs]
    return Rows(
        torch.stack([tokens for tokens, _, _ in each]),
        torch.stack([after for _, after, _ in each]),
        torch.cat([parts for _, _, parts in each]),
        None if pooled[0] is None else torch.cat(pooled).float(),
    )


def _tokens_of(
    encoder: TextEncoder, pair: PromptPair, encoded: EncodedPrompts
) -> tuple[Tensor, Tensor, Tensor]:
    tokens, e = encoded.tokens[0], encoded.embeddings[0]
    phrase = locate(encoder, tokens, pair.target, pair.phrase, pair.before)
    own = e[phrase].float()
    tokens = torch.cat([own[-1:], end_and_padding(tokens, e, phrase)])
    return tokens, e[phrase.stop].float(), own[:-1]


def prototypes_of(
    centres: Tensor,
    whitening: Tensor,
    own: Sequence[Tensor],
    others: Sequence[Tensor],
    common: Sequence[Tensor] | None = None,
) -> Prototypes:
    """The prototypes of tokens own, a tensor ``[phrases, m, d]`` for each of WORD, END and PADDING.

    centres ``[3, d]``, whitening ``[d, d]``: as in Gate; others: a tensor ``[n, d]`` for each. With common, a
    tensor ``[k, d]`` for each from similar prompts about other things, a prototype is what differs from their
    mean.
    """
    vectors, typical, cosines = [], [], []
    for kind, centre in enumerate(centres):
        white = (own[kind] - centre) @ whitening
        mean = white.mean(1)
        if common is not None:
            mean = mean - ((common[kind] - centre) @ whitening).mean(0)
        vector = normalize(mean, dim=-1)  # [phrases, d]
        vectors.append(vector)
        typical.append(torch.einsum("pmd,pd->pm", normalize(white, dim=-1), vector).median(-1).values)
        cosines.append(normalize((others[kind] - centre) @ whitening, dim=-1) @ vector.T)
    return Prototypes(torch.stack(vectors), torch.stack(typical), cosines)
