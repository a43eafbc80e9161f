"""The host's CLIP as a `TextEncoder` of mace_core."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from ...mace_core.concepts.lines import unfit
from ...mace_core.encoder.text_encoder import EncodedPrompts
from ...mace_core.files.shown import shown, shown_each
from .fingerprints import encoder_fingerprint, is_told
from .memory import in_parts
from .weights import is_weight, stored

KNOWN_ENCODERS = {"l", "g", "h"}
POOLED = "clip_g"  # the text encoder whose pooled vector U-Nets read
FINE = (torch.float16, torch.float32, torch.float64)
BATCH = 32


class HostTextEncoder:
    """Wraps a CLIP. Prompts are literal: brackets, weights and backslashes have no special meaning."""

    def __init__(self, clip):
        self._clip = clip
        self._fingerprint = None
        self._words: dict[str, tuple[int, ...]] = {}  # tokenizers are slow, and phrases repeat
        empty = self._chunks("")[0]
        self._end = _ids(empty)[1]
        self.context_length = len(empty)

    @property
    def fingerprint(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = encoder_fingerprint(self._clip)
        return self._fingerprint

    @property
    def clip(self) -> Any:
        """The CLIP on the wire."""
        return self._clip

    @property
    def device(self) -> torch.device:
        """Where the text encoder runs, and where products of its embeddings are fastest."""
        return self._clip.patcher.load_device

    def word_tokens(self, phrase: str) -> tuple[int, ...]:
        if phrase not in self._words:
            words = []
            for chunk in self._chunks(phrase):
                ids = _ids(chunk, phrase)[1:]
                words += ids[: ids.index(self._end)] if self._end in ids else ids
            self._words[phrase] = tuple(words)
        return self._words[phrase]

    def encode(self, prompts) -> EncodedPrompts:
        def encode(start, number) -> list[tuple[torch.Tensor, ...]]:
            part = prompts[start : start + number]
            batch = self._tokenize_batch(part)
            tokens = torch.tensor(
                [_ids(*each) for each in zip(next(iter(batch.values())), part, strict=True)]
            )
            return list(zip(tokens, *self._encode_batch(batch), strict=True))

        rows = in_parts(len(prompts), BATCH, encode, "to encode a prompt")
        return EncodedPrompts(*map(torch.stack, zip(*rows, strict=True)))

    def conditioning(self, prompt: str) -> list:
        """The CONDITIONING of a prompt for a sampler; the prompt is literal, as in `encode`."""
        return self._clip.encode_from_tokens_scheduled(self._tokenize_batch([prompt]), show_pbar=False)

    def _tokenize(self, text: str) -> dict:
        if why := unfit(text):
            raise ValueError(f"{shown(text)} {why}: correct it.")
        tokens = self._clip.tokenize(text.replace("\\", " "), disable_weights=True)
        if not set(tokens) <= KNOWN_ENCODERS:
            raise ValueError(
                f"This CLIP contains the text encoders {sorted(tokens)}, but MACE supports only CLIP "
                "text encoders: use the CLIP of an SD1.x, SD2.x or SDXL checkpoint."
            )
        return tokens

    def _chunks(self, text: str) -> list:
        tokens = self._tokenize(text)
        return tokens["l"] if "l" in tokens else next(iter(tokens.values()))

    def _tokenize_batch(self, prompts) -> dict:
        """The tokens of all prompts, as the chunks of one long prompt: the host encodes chunks in one batch.

        Raises ValueError if a prompt needs more than one chunk.
        """
        batch: dict[str, list] = {}
        for prompt in prompts:
            tokens = self._tokenize(prompt)
            for name in sorted(tokens, reverse=True):  # l before g: `encode` takes SDXL's ids from l
                if len(tokens[name]) != 1:
                    raise ValueError(
                        f"{shown(prompt)} is longer than the text encoder's context of "
                        f"{self.context_length} tokens: shorten the concept or the caption."
                    )
                batch.setdefault(name, []).extend(tokens[name])
        return batch

    def _encode_batch(self, batch: dict) -> list[torch.Tensor]:
        """Embeddings `[B, L, d]` and, of SDXL's second text encoder, pooled vectors `[B, p]`."""
        with _pooled_of(self._clip) as pooled:
            joined = self._clip.encode_from_tokens(batch)
        count = len(next(iter(batch.values())))
        return [joined.reshape(count, -1, joined.shape[-1]).float().cpu(), *pooled]


@contextmanager
def _pooled_of(clip) -> Iterator[list[torch.Tensor]]:
    """A list that gets the pooled vectors of the next pass. The host returns only that of the first chunk."""
    found: list[torch.Tensor] = []
    reads = getattr(clip.cond_stage_model, POOLED, None)
    if reads is None:
        yield found
        return
    hook = reads.register_forward_hook(lambda module, given, answer: found.append(answer[1].float().cpu()))
    try:
        yield found
    finally:
        hook.remove()


def doubt_about(clip, erasure) -> str:
    """Empty if a CLIP is the text encoder the erasure was made for, a sentence if this cannot be checked.

    Raises ValueError if it is another text encoder.
    """
    fingerprint = encoder_fingerprint(clip)
    if fingerprint == erasure.text_encoder:
        return ""
    if not (is_told(fingerprint) and is_told(erasure.text_encoder)):
        return (
            "Cannot check whether the text encoder is the same: this CLIP, or the one that the erasure was "
            "made with, has hooks or other changes that are not weights."
        )
    if coarse := _coarse_dtype(clip):
        return (
            f"Cannot check whether the text encoder is the same: this CLIP is stored as {coarse}, which "
            "rounds its weights. An erasure made with an fp16 or fp32 copy of it works."
        )
    raise ValueError(
        f"The erasure of {shown_each(c.target for c in erasure.concepts)} was made for "
        "another text encoder than this CLIP: use a checkpoint with the same text encoder (LoRAs on CLIP, "
        "clip skip and bf16 or fp8 storage make a difference), or make a new erasure with this CLIP."
    )


def _coarse_dtype(clip) -> str:
    """The storage format of a CLIP with less precision than fp16; empty for fp16 and more precise formats."""
    patcher = clip.patcher
    for key in patcher.model_state_dict():
        weight = stored(patcher, key)[0] if is_weight(patcher.model, key) else None
        if weight is not None and is_traceable_wrapper_subclass(weight):
            return "a quantised format"
        if weight is not None and weight.ndim == 2 and weight.dtype not in FINE:
            return str(weight.dtype).removeprefix("torch.")
    return ""


def _ids(chunk, text: str = "") -> list[int]:
    ids = [pair[0] for pair in chunk]
    if not all(isinstance(token, int) for token in ids):
        raise ValueError(
            f"{shown(text)} contains a textual-inversion embedding, but MACE needs words that it "
            "can find in the prompts: write it in plain words."
        )
    return ids
