"""The sums over token embeddings that stage 1 and stage 3 consist of.

All projections W share them: in equation 2, W factors out on the left. They depend on the text encoder and
the prompts only, are additive over concepts, and are summed in float64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor

from .alignment import align, locate
from .concepts import Concept
from .prompts import PromptPair, prompt_pairs
from .text import BATCH, EncodedPrompts, TextEncoder, check_finite, check_fits, encode_once

# The paper's prior sums over the captions of COCO. A prior from any other number of captions is scaled to
# that many, so that the paper's preserve weights (l1, l2) mean the same thing whatever the captions.
PAPER_CAPTIONS = 616_767
STRIPE = 128  # columns of a symmetric product that are calculated at once


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


def matching_positions(encoder: TextEncoder, pair: PromptPair,
                       encoded: dict[str, EncodedPrompts]) -> tuple[LongTensor, LongTensor]:
    """Positions of the matching tokens of a pair, in its target and its surrogate prompt, ``[n]`` each."""
    target, surrogate = encoded[pair.target], encoded[pair.surrogate]
    phrase = locate(encoder, target.tokens[0], pair.target, pair.phrase, pair.before)
    surrogate_phrase = locate(encoder, surrogate.tokens[0], pair.surrogate, pair.surrogate_phrase,
                              pair.before)
    return align(target.tokens[0], phrase, surrogate.tokens[0], surrogate_phrase)


def pair_embeddings(encoder: TextEncoder, pair: PromptPair,
                    encoded: dict[str, EncodedPrompts]) -> tuple[Tensor, Tensor, Tensor]:
    """The matching embeddings e_f and e_g ``[n, d]`` of a prompt pair whose two prompts are in ``encoded``,
    and those of the target prompt that match nothing, ``[m, d]``; float32, as encoded."""
    f, g = matching_positions(encoder, pair, encoded)
    target, surrogate = encoded[pair.target].embeddings[0], encoded[pair.surrogate].embeddings[0]
    rest = torch.ones(len(target), dtype=torch.bool)
    rest[f] = False
    return target[f], surrogate[g], target[rest]


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
    f, g, unmatched, again = [], [], [], []
    seen: set[str] = set()
    for pair in pairs:
        e_f, e_g, rest = pair_embeddings(encoder, pair, encoded)
        f.append(e_f)
        g.append(e_g)
        (again if pair.target in seen else unmatched).append(e_f if pair.target in seen else rest)
        seen.add(pair.target)
    e_f, e_g = torch.cat(f).double(), torch.cat(g).double()
    F = second_moment([e_f])
    # C has the tokens of F, once a prompt, and those that match nothing
    C = F + second_moment([torch.cat(unmatched)])
    if again:
        C = C - second_moment([torch.cat(again)])
    return ConceptMoments(e_g.T @ e_f, F, C, encoder.fingerprint)


def add_moments(a: ConceptMoments, b: ConceptMoments) -> ConceptMoments:
    """The sums over both concepts' prompts; ValueError when the encoders differ."""
    check_same_encoder("the concepts", [a.fingerprint, b.fingerprint], [a.F.shape[0], b.F.shape[0]])
    return ConceptMoments(a.G + b.G, a.F + b.F, a.C + b.C, a.fingerprint)


def second_moment(embeddings: Iterable[Tensor]) -> Tensor:
    """sum e e^T ``[d, d]`` float64 over all tokens of an iterable of ``[..., d]``."""
    return sum(_gram(e.flatten(0, -2).double()) for e in embeddings)


def _gram(X: Tensor) -> Tensor:
    """X^T X of ``[n, d]``; what is below the diagonal is copied from above, half the products saved."""
    d = X.shape[1]
    out = X.new_zeros(d, d)
    for start in range(0, d, STRIPE):
        end = min(start + STRIPE, d)
        out[start:end, start:] = X[:, start:end].T @ X[:, start:]
        out[end:, start:end] = out[start:end, end:].T
    return out


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


def weighted(prior: Prior, weight: float) -> Prior:
    """The prior counted ``weight`` times. Raises ValueError for a weight that is not positive and finite."""
    if not 0 < weight < float("inf"):
        raise ValueError(f"The weight of the prior is {weight}: give a number above 0.")
    return Prior(prior.P * weight, prior.captions, prior.fingerprint)


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
