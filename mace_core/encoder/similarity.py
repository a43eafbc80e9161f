"""How similar two phrases are for a text encoder."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..concepts.concepts import without_article
from ..concepts.kinds import KINDS
from .alignment import end_token
from .text_encoder import TextEncoder, check_fits, encode_once

FRAMES = ("{}", "a photo of {}", "a picture of {}")
_PUNCTUATION = f"[{re.escape(string.punctuation)}]+"
_SMALL_WORDS = frozenset("a an the of in on at by with and or to from".split())


def similarities(
    encoder: TextEncoder,
    targets: Sequence[str],
    others: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The cosine of every target with every other phrase, ``[targets, others]``.

    All embeddings of a CLIP point in a similar direction, so the mean over the given phrases and everyday
    words is subtracted first. Raises ValueError as ``phrase_vectors`` does.
    """
    words = (name for kind in KINDS.values() for name in kind.everyday)
    phrases = list(dict.fromkeys((*targets, *others, *words)))
    vectors = phrase_vectors(encoder, phrases, progress)
    vectors = normalize(vectors - vectors.mean(0), dim=-1)
    rows, columns = ([phrases.index(name) for name in names] for names in (targets, others))
    return vectors[rows] @ vectors[columns].T


def phrase_vectors(
    encoder: TextEncoder, phrases: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> Tensor:
    """The mean embedding of a phrase's tokens, including the end token, in a few prompts: ``[n, d]`` float32.

    ``progress(done, total)`` counts prompts. Raises ValueError: a phrase too long for the text encoder, NaN
    embeddings.
    """
    prompts = {phrase: [frame.format(phrase) for frame in FRAMES] for phrase in phrases}
    for phrase, framed in prompts.items():
        check_fits(encoder, dict.fromkeys(framed, phrase))
    encoded = encode_once(encoder, [prompt for framed in prompts.values() for prompt in framed], progress)

    def vector(prompt: str) -> Tensor:
        tokens, embeddings = encoded[prompt].tokens[0], encoded[prompt].embeddings[0]
        return embeddings[1 : end_token(tokens, slice(0, 1)) + 1].mean(0)

    return torch.stack(
        [torch.stack([vector(prompt) for prompt in framed]).mean(0) for framed in prompts.values()]
    )


def shared_words(encoder: TextEncoder, phrase: str, other: str) -> tuple[str, ...]:
    """The words of ``phrase`` that share a token with ``other``, such as a common first name."""
    tokens = {token for word in _words(other) for token in _tokens(encoder, word)}
    return tuple(word for word in _words(phrase) if tokens & _tokens(encoder, word))


def _tokens(encoder: TextEncoder, word: str) -> set[int]:
    """The tokens of a word without its punctuation: "Yahoo!" and "Wow!" have no name in common."""
    marks = {token for mark in re.findall(_PUNCTUATION, word) for token in encoder.word_tokens(mark)}
    return set(encoder.word_tokens(word)) - marks


def _words(phrase: str) -> list[str]:
    return [word for word in without_article(phrase).split() if word.casefold() not in _SMALL_WORDS]
