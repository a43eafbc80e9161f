"""What the method needs from a text encoder, and how prompts are encoded."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..concepts.lines import unfit
from ..files.shown import shown

END_OF_TEXT = 49407  # CLIP's end token; SD1 also pads with it, SD2 and SDXL pad with 0
BATCH = 32  # prompts encoded at once
_EMBEDDING = r"(?:^|\s)embedding:"
REMEMBERED = 4 * BATCH  # the prompts of a surrogate and of one or two targets


@dataclass(frozen=True, eq=False)
class EncodedPrompts:
    """tokens ``[B, L]`` int64 with start, end and padding; embeddings ``[B, L, d]`` and pooled ``[B, p]``,
    float32 on the CPU.

    pooled: one vector per prompt, if the U-Nets of this text encoder read one (SDXL).
    """

    tokens: Tensor
    embeddings: Tensor
    pooled: Tensor | None = None


class TextEncoder(Protocol):
    """A text encoder: start token, words, end token, padding up to ``context_length``.

    fingerprint: equal for equal weights; results of different text encoders cannot be mixed.
    context_length: 77 for CLIP.
    """

    fingerprint: str
    context_length: int

    def word_tokens(self, phrase: str) -> tuple[int, ...]:
        """The token ids of the phrase without start, end and padding."""
        ...

    def encode(self, prompts: Sequence[str]) -> EncodedPrompts:
        """Encode prompts. Raises ValueError for one that does not fit into ``context_length`` tokens."""
        ...


class RememberingEncoder:
    """A text encoder that remembers its last ``REMEMBERED`` prompts, because concepts share surrogates.

    Memory does not grow with the number of concepts.
    """

    def __init__(self, encoder: TextEncoder):
        self._encoder = encoder
        self._known: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self.fingerprint = encoder.fingerprint
        self.context_length = encoder.context_length
        self.word_tokens = encoder.word_tokens

    def encode(self, prompts: Sequence[str]) -> EncodedPrompts:
        """Encode prompts; only those that are not remembered reach the text encoder."""
        if missing := [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]:
            new = self._encoder.encode(missing)
            parts = [new.tokens, new.embeddings, *([] if new.pooled is None else [new.pooled])]
            for prompt, *row in zip(missing, *parts, strict=True):
                self._known[prompt] = tuple(each.clone() for each in row)  # a view would hold its whole batch
        rows = [self._known[prompt] for prompt in prompts]
        for prompt in prompts:
            self._known.move_to_end(prompt)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return EncodedPrompts(*(torch.stack(column) for column in zip(*rows, strict=True)))


def names_embedding(prompt: str) -> bool:
    """Whether ComfyUI reads part of a prompt as a textual-inversion embedding, not as words."""
    return "embedding:" in prompt and re.search(_EMBEDDING, prompt) is not None


def unusable(encoder: TextEncoder, prompt: str) -> str:
    """Why a prompt cannot be encoded as it is written, as in "has 90 tokens ..."; empty if it can.

    Very long texts are not given to the tokenizer, which would need minutes.
    """
    if names_embedding(prompt):
        return "names a textual-inversion embedding, not words"
    if why := unfit(prompt):
        return why
    needed = len(encoder.word_tokens(prompt)) + 2  # start and end token
    if needed > encoder.context_length:
        return f"has {needed} tokens, but the context of the text encoder has {encoder.context_length}"
    return ""


def check_fits(encoder: TextEncoder, prompts: Mapping[str, str]) -> None:
    """Raise ValueError if a prompt does not fit into the context. prompts: prompt -> its phrase."""
    for prompt, phrase in prompts.items():
        if names_embedding(prompt):
            raise ValueError(
                f"{shown(phrase)} names a textual-inversion embedding, but MACE needs words that "
                "it can find in the prompts: write it in plain words."
            )
        needed = len(encoder.word_tokens(prompt)) + 2  # start and end token
        if needed > encoder.context_length:
            raise ValueError(
                f"{shown(phrase)} has {len(encoder.word_tokens(phrase))} tokens and its prompt {needed}, but "
                f"the context of the text encoder has {encoder.context_length}: shorten it."
            )


def check_finite(embeddings: Tensor, what: str) -> None:
    """Raise ValueError if embeddings of any shape contain NaN or infinity; ``what`` names their prompts."""
    if not torch.isfinite(embeddings.sum()):  # faster than a test of each number, with the same answer
        raise ValueError(
            f"The text embeddings of {what} contain NaN or infinity: "
            "run the text encoder in float32, or load another one."
        )


def encode_once(
    encoder: TextEncoder, prompts: Iterable[str], progress: Callable[[int, int], None] | None = None
) -> dict[str, EncodedPrompts]:
    """Prompt -> its encoding, tokens ``[1, L]``; each distinct prompt is encoded once, in batches.

    ``progress(done, total)`` is called after each batch. Raises ValueError if an embedding is not finite.
    """
    distinct = list(dict.fromkeys(prompts))
    encoded: dict[str, EncodedPrompts] = {}
    for start in range(0, len(distinct), BATCH):
        batch = distinct[start : start + BATCH]
        result = encoder.encode(batch)
        check_finite(result.embeddings, f"{shown(batch[0])} and the prompts after it")
        if result.pooled is not None:
            check_finite(result.pooled, f"{shown(batch[0])} and the prompts after it")
        for row, prompt in enumerate(batch):
            own = slice(row, row + 1)
            pooled = None if result.pooled is None else result.pooled[own]
            encoded[prompt] = EncodedPrompts(result.tokens[own], result.embeddings[own], pooled)
        if progress is not None:
            progress(len(encoded), len(distinct))
    return encoded
