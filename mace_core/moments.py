"""The sums over token embeddings that stage 1 and stage 3 consist of.

All projections W share them: in equation 2, W factors out on the left. They depend on the text encoder and
the prompts only, are additive over concepts, and are summed in float64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .alignment import align, locate
from .concepts import Concept
from .prompts import PromptPair, prompt_pairs
from .text import BATCH, EncodedPrompts, TextEncoder, check_finite, check_fits, encode_once

# The paper's prior sums over the captions of COCO. A prior from any other number of captions is scaled to
# that many, so that the paper's preserve weights (l1, l2) mean the same thing whatever the captions.
PAPER_CAPTIONS = 616_767


@dataclass(frozen=True, eq=False)
class ConceptMoments:
    """The second moments of one concept's prompts, all ``[d, d]`` float64.

    G = sum e_g e_f^T and F = sum e_f e_f^T over the aligned tokens, the phrase excluded (equation 2);
    C = sum e e^T over all tokens of the target prompts (equation 7).
    """

    G: Tensor
    F: Tensor
    C: Tensor
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Prior:
    """What to preserve: P = sum e_p e_p^T ``[d, d]`` float64, scaled to ``PAPER_CAPTIONS`` and weighted.

    Raises ValueError when P is not square or contains NaN or infinity.
    """

    P: Tensor
    captions: int
    fingerprint: str

    def __post_init__(self) -> None:
        if self.P.ndim != 2 or self.P.shape[0] != self.P.shape[1]:
            raise ValueError(f"The prior is a tensor of shape {list(self.P.shape)} where a square one was "
                             "expected: make it again with the node 'Preserve Prior'.")
        if not torch.isfinite(self.P).all():
            raise ValueError("The prior contains NaN or infinity: make it again with the node "
                             "'Preserve Prior', with the text encoder in float32.")


def aligned_embeddings(target: EncodedPrompts, surrogate: EncodedPrompts, phrase: slice,
                       surrogate_phrase: slice) -> tuple[Tensor, Tensor]:
    """The matching embeddings e_f and e_g of one target and one surrogate prompt, ``[n, d]`` float64 each."""
    f, g = align(target.tokens[0], phrase, surrogate.tokens[0], surrogate_phrase)
    return target.embeddings[0, f].double(), surrogate.embeddings[0, g].double()


def pair_embeddings(encoder: TextEncoder, pair: PromptPair,
                    encoded: dict[str, EncodedPrompts]) -> tuple[Tensor, Tensor]:
    """The matching embeddings of a prompt pair whose two prompts are in ``encoded``, ``[n, d]`` each."""
    target, surrogate = encoded[pair.target], encoded[pair.surrogate]
    phrase = locate(encoder, target.tokens[0], pair.target, pair.phrase, pair.before)
    surrogate_phrase = locate(encoder, surrogate.tokens[0], pair.surrogate, pair.surrogate_phrase,
                              pair.before)
    return aligned_embeddings(target, surrogate, phrase, surrogate_phrase)


def concept_moments(encoder: TextEncoder, concept: Concept,
                    progress: Callable[[int, int], None] | None = None) -> ConceptMoments:
    """The moments of a concept over all its prompt pairs; ``progress(done, total)`` counts prompts.

    Raises ValueError: a phrase too long for the text encoder, a phrase not found in its prompts,
    NaN embeddings.
    """
    pairs = prompt_pairs(concept)
    check_fits(encoder, {p.target: p.phrase for p in pairs})
    check_fits(encoder, {p.surrogate: p.surrogate_phrase for p in pairs})
    encoded = encode_once(encoder, [prompt for p in pairs for prompt in (p.target, p.surrogate)], progress)
    d = next(iter(encoded.values())).embeddings.shape[-1]
    G, F = torch.zeros(d, d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64)
    for pair in pairs:
        e_f, e_g = pair_embeddings(encoder, pair, encoded)
        G += e_g.T @ e_f
        F += e_f.T @ e_f
    C = second_moment(encoded[prompt].embeddings for prompt in dict.fromkeys(p.target for p in pairs))
    return ConceptMoments(G, F, C, encoder.fingerprint)


def second_moment(embeddings: Iterable[Tensor]) -> Tensor:
    """sum e e^T ``[d, d]`` float64 over all tokens of an iterable of ``[B, L, d]``."""
    rows = (e.flatten(0, 1).double() for e in embeddings)
    return sum(e.T @ e for e in rows)


def prior_from_captions(encoder: TextEncoder, captions: Sequence[str], weight: float = 1.0,
                        progress: Callable[[int, int], None] | None = None) -> Prior:
    """The prior over captions or names to preserve, ``weight`` folded in (the l1 term of equation 2).

    A caption given k times counts k times but is encoded once. The sum is scaled by ``PAPER_CAPTIONS`` /
    captions: weight 1 preserves these captions as strongly as the paper preserves COCO.
    ``progress(done, total)`` is called after each batch. Raises ValueError: no captions, a weight that is
    not positive, NaN embeddings.
    """
    counts = Counter(caption.strip() for caption in captions if caption.strip())
    if not counts:
        raise ValueError("The prior has no captions: give at least one caption or name to preserve.")
    if not weight > 0:
        raise ValueError(f"The weight of the prior is {weight}: give a number above 0.")
    texts, total = list(counts), counts.total()
    P: Tensor | float = 0.0
    for start in range(0, len(texts), BATCH):
        batch = texts[start:start + BATCH]
        e = encoder.encode(batch).embeddings  # [B, L, d]
        check_finite(e, f"the caption '{batch[0]}' and those after it")
        root = torch.tensor([counts[text] for text in batch], dtype=torch.float64).sqrt()
        P = P + second_moment([e.double() * root[:, None, None]])
        if progress is not None:
            progress(min(start + BATCH, len(texts)), len(texts))
    return Prior(P * (weight * PAPER_CAPTIONS / total), total, encoder.fingerprint)


def add_priors(a: Prior, b: Prior) -> Prior:
    """The sum of two priors of the same text encoder; ValueError when the encoders differ."""
    check_same_encoder("the two priors", [a.fingerprint, b.fingerprint], [a.P.shape[0], b.P.shape[0]])
    return Prior(a.P + b.P, a.captions + b.captions, a.fingerprint)


def check_same_encoder(what: str, fingerprints: Iterable[str], widths: Iterable[int]) -> None:
    """Raise ValueError unless all fingerprints, and all widths d, are the same."""
    if len(known := sorted(set(fingerprints))) > 1:
        raise ValueError(f"The text encoders of {what} differ ({', '.join(name[:8] for name in known)}): "
                         "make all of them with the CLIP of the same checkpoint.")
    if len(known := sorted(set(widths))) > 1:
        raise ValueError(f"The text embedding widths of {what} differ ({', '.join(map(str, known))}): "
                         "make all of them with the CLIP of the same checkpoint.")
