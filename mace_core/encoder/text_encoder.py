"""What the method asks of a text encoder, and how it reads prompts with it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

END_OF_TEXT = 49407  # CLIP's end token in SD1, SD2 and SDXL; SD1 also pads with it, the others with 0
BATCH = 32  # prompts encoded at once
REMEMBERED = 4 * BATCH  # a surrogate's prompts and those of a target or two


@dataclass(frozen=True, eq=False)
class EncodedPrompts:
    """tokens ``[B, L]`` int64 with start, end and padding; embeddings ``[B, L, d]`` float32 on the CPU."""

    tokens: Tensor
    embeddings: Tensor


class TextEncoder(Protocol):
    """A text encoder: start token, words, end token, padding up to ``context_length``."""

    fingerprint: str  # the same for the same weights; results of two encoders cannot be mixed
    context_length: int  # 77 for CLIP

    def word_tokens(self, phrase: str) -> tuple[int, ...]:
        """The token ids of the phrase without start, end and padding."""
        ...

    def encode(self, prompts: Sequence[str]) -> EncodedPrompts:
        """Encode prompts that fit into ``context_length`` tokens."""
        ...


class RememberingEncoder:
    """A text encoder that is not asked twice for the prompts it gave last: concepts share their surrogates.

    ``REMEMBERED`` prompts are kept, those used last: memory does not grow with the number of concepts.
    """

    def __init__(self, encoder: TextEncoder):
        self._encoder = encoder
        self._known: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()
        self.fingerprint = encoder.fingerprint
        self.context_length = encoder.context_length
        self.word_tokens = encoder.word_tokens

    def encode(self, prompts: Sequence[str]) -> EncodedPrompts:
        if missing := [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]:
            new = self._encoder.encode(missing)
            for prompt, tokens, embeddings in zip(missing, new.tokens, new.embeddings, strict=True):
                self._known[prompt] = tokens.clone(), embeddings.clone()  # a row alone, not its whole batch
        rows = [self._known[prompt] for prompt in prompts]
        for prompt in prompts:
            self._known.move_to_end(prompt)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return EncodedPrompts(*(torch.stack(column) for column in zip(*rows, strict=True)))


def check_fits(encoder: TextEncoder, prompts: Mapping[str, str]) -> None:
    """Raise ValueError when a prompt does not fit into the context; ``prompts`` is prompt -> its phrase."""
    for prompt, phrase in prompts.items():
        needed = len(encoder.word_tokens(prompt)) + 2  # start and end token
        if needed > encoder.context_length:
            raise ValueError(
                f"'{phrase}' is {len(encoder.word_tokens(phrase))} tokens long and its prompt "
                f"{needed}, more than the text encoder's context of "
                f"{encoder.context_length}: shorten it."
            )


def check_finite(embeddings: Tensor, what: str) -> None:
    """Raise ValueError when the text encoder returned NaN or infinity."""
    if not torch.isfinite(embeddings.sum()):  # a sum is quicker, and not finite if one of them is not
        raise ValueError(
            f"The text embeddings of {what} contain NaN or infinity: "
            "run the text encoder in float32 or load another one."
        )


def encode_once(
    encoder: TextEncoder, prompts: Iterable[str], progress: Callable[[int, int], None] | None = None
) -> dict[str, EncodedPrompts]:
    """Encode each distinct prompt once, in batches; every value holds one prompt: tokens ``[1, L]``.

    ``progress(done, total)`` is called after each batch. Raises ValueError when an embedding is not finite.
    """
    distinct = list(dict.fromkeys(prompts))
    encoded: dict[str, EncodedPrompts] = {}
    for start in range(0, len(distinct), BATCH):
        batch = distinct[start : start + BATCH]
        result = encoder.encode(batch)
        check_finite(result.embeddings, f"'{batch[0]}' and the prompts after it")
        for row, prompt in enumerate(batch):
            encoded[prompt] = EncodedPrompts(result.tokens[row : row + 1], result.embeddings[row : row + 1])
        if progress is not None:
            progress(len(encoded), len(distinct))
    return encoded
