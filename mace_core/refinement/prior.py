"""The prior of equation 2: text-encoder statistics of prompts that the edit must not change, as one
matrix."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..encoder.alignment import end_and_padding
from ..encoder.text_encoder import (
    BATCH,
    EncodedPrompts,
    TextEncoder,
    check_finite,
    names_embedding,
    unusable,
)
from ..files.shown import shown
from .moments import block_moment, check_same_encoder, whole

# The paper's prior is a sum over the captions of COCO. A prior from any other number of captions is scaled to
# that number, so that the paper's preserve weights (l1, l2) have the same meaning for all captions.
PAPER_CAPTIONS = 616_767
EXAMPLES = 256  # captions whose last tokens are kept, spread evenly over all


@dataclass(frozen=True, eq=False)
class Prior:
    """What to preserve: P = sum e_p e_p^T ``[d, d]`` float64, scaled to ``PAPER_CAPTIONS`` and weighted.

    captions: how many there were; fingerprint: of the text encoder; texts: m of the captions, and ends
    ``[m, 2, d]`` float32: their end-of-text token and the mean of their padding, which a gate leaves alone.
    pooled: the prior of the captions' pooled vectors, with ends ``[m, 1, p]``, if the text encoder has any.
    Raises ValueError if P is not square or contains NaN or infinity.
    """

    P: Tensor
    captions: int
    fingerprint: str
    texts: tuple[str, ...] = ()
    ends: Tensor | None = None
    pooled: Prior | None = None

    def __post_init__(self) -> None:
        if self.P.ndim != 2 or self.P.shape[0] != self.P.shape[1]:
            raise ValueError(
                f"The prior is a tensor of shape {list(self.P.shape)}, but must be square: "
                "make it again with the node 'Preserve Prior'."
            )
        if not torch.isfinite(self.P).all():
            raise ValueError(
                "The prior contains NaN or infinity: make it again with the node "
                "'Preserve Prior', with the text encoder in float32."
            )


def prior_from_captions(
    encoder: TextEncoder,
    captions: Sequence[str],
    weight: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | str = "cpu",
    skip: Callable[[str, str, int], None] | None = None,
) -> Prior:
    """The prior of captions to preserve, times ``weight`` (the l1 term of equation 2).

    A caption given k times counts k times but is encoded once. The sum is scaled by ``PAPER_CAPTIONS`` /
    captions: weight 1 preserves these captions as strongly as the paper preserves COCO. Products are summed
    on ``device``: in float64 on a CPU; on a GPU, where float64 is slow, in float32 within a batch and in
    float64 over the batches. ``progress(done, total)`` is called after each batch.

    A caption that is too long or names an embedding is left out, and ``skip`` gets it, why, and how often it
    was given. Raises ValueError: no captions, none that can be used, such a caption if there is no ``skip``,
    a weight that is not positive, NaN embeddings.
    """
    counts = Counter(caption.strip() for caption in captions if caption.strip())
    if not counts:
        raise ValueError("The prior has no captions: add at least one caption or name to preserve.")
    if not weight > 0:
        raise ValueError(f"The weight of the prior is {weight}: give a number above 0.")
    texts, given = list(counts), counts.total()
    examples = set(texts[:: max(1, -(-len(texts) // EXAMPLES))])
    tokens, pooled = _Sum(device), _Sum(device)
    for start in range(0, len(texts), BATCH):
        batch, encoded = _usable(encoder, texts[start : start + BATCH], counts, skip)
        if encoded is not None:
            e = encoded.embeddings  # [B, L, d]
            check_finite(e, f"the caption {shown(batch[0])} and those after it")
            given_times = torch.tensor([counts[text] for text in batch], dtype=torch.float64)
            chosen = [(text, row) for row, text in enumerate(batch) if text in examples]
            tokens.add(
                e,
                given_times,
                {text: end_and_padding(encoded.tokens[row], e[row]) for text, row in chosen},
            )
            if encoded.pooled is not None:
                check_finite(encoded.pooled, f"the caption {shown(batch[0])} and those after it")
                pooled.add(
                    encoded.pooled[:, None],
                    given_times * encoder.context_length,  # as often as a prompt has tokens
                    {text: encoded.pooled[row, None] for text, row in chosen},
                )
        if progress is not None:
            progress(min(start + BATCH, len(texts)), len(texts))
    if tokens.P is None:
        raise ValueError(
            f"None of the {given} captions can be used, and the first {unusable(encoder, texts[0])}: "
            "shorten them, and write them in plain words."
        )
    scale, total = weight * PAPER_CAPTIONS / counts.total(), counts.total()
    own = None if pooled.P is None else pooled.prior(scale, total, encoder.fingerprint)
    return replace(tokens.prior(scale, total, encoder.fingerprint), pooled=own)


class _Sum:
    """The sum of e e^T over rows that arrive in batches, and the ends of some captions."""

    def __init__(self, device: torch.device | str):
        self.P: Tensor | None = None
        self._device, self._ends = device, {}

    def add(self, e: Tensor, times: Tensor, ends: dict[str, Tensor]) -> None:
        """Add rows ``[B, n, d]`` that count ``times`` ``[B]`` each."""
        if self.P is None:
            self.P = torch.zeros(e.shape[-1], e.shape[-1], dtype=torch.float64, device=self._device)
        rows = (e.double() * times.sqrt()[:, None, None]).flatten(0, 1)
        dtype = torch.float64 if self.P.device.type == "cpu" else torch.float32
        self.P += block_moment(rows.to(self._device, dtype))
        self._ends |= ends

    def prior(self, scale: float, captions: int, fingerprint: str) -> Prior:
        ends = torch.stack([*self._ends.values()]) if self._ends else None
        return Prior(whole(self.P.cpu()) * scale, captions, fingerprint, tuple(self._ends), ends)


def _usable(
    encoder: TextEncoder, batch: list[str], counts: Counter[str], skip: Callable[[str, str, int], None] | None
) -> tuple[list[str], EncodedPrompts | None]:
    """The captions of a batch that can be used, and their encoding. The others go to ``skip``, and leave
    ``counts``. Lengths are looked up only if the text encoder refuses the batch, which costs nothing else."""
    try:
        if not any(map(names_embedding, batch)):
            return batch, encoder.encode(batch)
    except ValueError:
        if not any(unusable(encoder, caption) for caption in batch):
            raise
    usable = []
    for caption in batch:
        why = unusable(encoder, caption)
        if not why:
            usable.append(caption)
        elif skip is None:
            raise ValueError(f"The caption {shown(caption)} {why}: shorten it, or leave it out.")
        else:
            skip(caption, why, counts.pop(caption))
    return usable, encoder.encode(usable) if usable else None


def weighted(prior: Prior, weight: float) -> Prior:
    """``weight`` times the prior. Raises ValueError if the weight is not positive and finite."""
    if not 0 < weight <= sys.float_info.max:
        raise ValueError(f"The weight of the prior is {weight}: give a number above 0.")
    pooled = prior.pooled and weighted(prior.pooled, weight)
    return replace(prior, P=prior.P * float(weight), pooled=pooled)


def add_priors(a: Prior, b: Prior) -> Prior:
    """The sum of two priors. Raises ValueError if their text encoders differ."""
    check_same_encoder("the two priors", [a.fingerprint, b.fingerprint], [a.P.shape[0], b.P.shape[0]])
    ends = [prior.ends for prior in (a, b) if prior.ends is not None]
    return Prior(
        a.P + b.P,
        a.captions + b.captions,
        a.fingerprint,
        a.texts + b.texts,
        torch.cat(ends) if ends else None,
        add_priors(a.pooled, b.pooled) if a.pooled and b.pooled else None,
    )
