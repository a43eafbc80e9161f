"""Which token of a target prompt is matched with which token of the surrogate prompt (section 4.1).

Stage 1 maps "the words that co-exist with the target phrase", including start, end and padding tokens, to the
same words of the surrogate prompt: they carry the residual information of the concept (figure 2). The phrase
itself is left to stage 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import LongTensor, Tensor

from ..files.shown import shown
from .text_encoder import END_OF_TEXT, TextEncoder


def find_phrase(tokens: Sequence[int] | Tensor, phrase: Sequence[int], start: int = 0) -> slice:
    """The first place at or after ``start`` where the ids ``phrase`` occur in the ids ``tokens`` ``[L]``.

    Raises ValueError if they do not occur.
    """
    ids, wanted = _ids(tokens), _ids(phrase)
    for i in range(start, len(ids) - len(wanted) + 1):
        if wanted and ids[i : i + len(wanted)] == wanted:
            return slice(i, i + len(wanted))
    raise ValueError(
        f"The phrase tokens {wanted} were not found in the prompt's tokens: "
        "use a phrase that the tokenizer splits in the same way everywhere."
    )


def locate(encoder: TextEncoder, tokens: Tensor, prompt: str, phrase: str, before: str = "") -> slice:
    """The positions of ``phrase`` in ``prompt``, whose ids are ``tokens`` ``[L]``, after the words
    ``before``.

    Raises ValueError, naming the phrase and the prompt, if its tokens are not found.
    """
    start = 1 + len(encoder.word_tokens(before)) if before.strip() else 0  # 1: the start token
    try:
        return find_phrase(tokens, encoder.word_tokens(phrase), start)
    except ValueError:
        raise ValueError(
            f"The concept {shown(phrase)} was not found in the tokens of its prompt {shown(prompt)}: "
            "write it in plain words without special characters."
        ) from None


def end_token(tokens: Sequence[int] | Tensor, phrase: slice) -> int:
    """The position of the end-of-text token: its first occurrence in ``tokens`` ``[L]`` after the phrase.

    The rest is padding: more end tokens (SD1) or zeros (SD2, SDXL). Raises ValueError if there is none.
    """
    ids = _ids(tokens)
    if END_OF_TEXT in ids[phrase.stop :]:
        return ids.index(END_OF_TEXT, phrase.stop)
    raise ValueError(
        "A prompt has no end-of-text token after the concept, as CLIP prompts have: "
        "use the CLIP text encoder of an SD1, SD2 or SDXL checkpoint."
    )


def _ids(tokens: Sequence[int] | Tensor) -> list[int]:
    """Token ids as numbers: reading a tensor element by element takes longer than a small matrix product."""
    return tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)


def end_and_padding(tokens: Tensor, e: Tensor, phrase: slice = slice(0, 1)) -> Tensor:
    """The end-of-text token of a prompt and the mean of its padding, ``[2, d]`` float32.

    tokens: ids ``[L]``; e: their embeddings ``[L, d]``. Without padding, the end comes twice. Raises
    ValueError as ``end_token`` does.
    """
    end = end_token(tokens, phrase)
    return torch.stack([e[end], e[end + 1 :].mean(0) if end + 1 < len(e) else e[end]]).float()


def align(
    target_tokens: Tensor, phrase: slice, surrogate_tokens: Tensor, surrogate_phrase: slice
) -> tuple[LongTensor, LongTensor]:
    """Matching positions in a target prompt ``[L]`` and its surrogate prompt ``[L]``, ``[n]`` each.

    From the start token to the phrase, tokens are matched from the left; from the phrase to the end token,
    from the end token backwards; the padding in order. Each part is cut to the shorter of the two.
    """
    end, surrogate_end = end_token(target_tokens, phrase), end_token(surrogate_tokens, surrogate_phrase)
    left = min(phrase.start, surrogate_phrase.start)
    middle = min(end + 1 - phrase.stop, surrogate_end + 1 - surrogate_phrase.stop)
    padding = min(len(target_tokens) - (end + 1), len(surrogate_tokens) - (surrogate_end + 1))

    def positions(end: int) -> LongTensor:
        return torch.cat([torch.arange(left), torch.arange(end + 1 - middle, end + 1 + padding)])

    return positions(end), positions(surrogate_end)
