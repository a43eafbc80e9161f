"""Second moments of token embeddings: the sums that stages 1 and 3 are made of.

All projections W share them, because W factors out on the left of equation 2. They depend only on the text
encoder and the prompts, are additive over concepts, and are summed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import LongTensor, Tensor

from ..concepts.concepts import Concept
from ..concepts.prompts import PromptPair, prompt_pairs, templates_naming
from ..encoder.alignment import align, locate
from ..encoder.text_encoder import BATCH, EncodedPrompts, TextEncoder, check_fits, encode_once

STRIPE = 96  # columns of a symmetric product that are computed at once
PAIRS = 4  # pairs whose tokens are multiplied at once, few enough for the CPU cache
WAITING = 2 * BATCH  # surrogate prompts whose targets are summed before they are multiplied


@dataclass(frozen=True, eq=False)
class ConceptMoments:
    """The second moments of one concept's prompts, all ``[d, d]`` float64.

    G = sum e_g e_f^T and F = sum e_f e_f^T over the aligned tokens, without the phrase (equation 2);
    C = sum e e^T over all tokens of the target prompts (equation 7). fingerprint: of the text encoder.
    pooled: the same of the pooled vectors, ``[p, p]``, if the text encoder has any.
    """

    G: Tensor
    F: Tensor
    C: Tensor
    fingerprint: str
    pooled: ConceptMoments | None = None

    def times(self, weight: float) -> ConceptMoments:
        """``weight`` times the moments."""
        pooled = self.pooled and self.pooled.times(weight)
        return replace(self, G=weight * self.G, F=weight * self.F, C=weight * self.C, pooled=pooled)


def matching_positions(
    encoder: TextEncoder, pair: PromptPair, encoded: dict[str, EncodedPrompts]
) -> tuple[LongTensor, LongTensor]:
    """Positions of the aligned tokens of a pair, in its target and its surrogate prompt, ``[n]`` each."""
    target, surrogate = encoded[pair.target], encoded[pair.surrogate]
    phrase = locate(encoder, target.tokens[0], pair.target, pair.phrase, pair.before)
    surrogate_phrase = locate(
        encoder, surrogate.tokens[0], pair.surrogate, pair.surrogate_phrase, pair.before
    )
    return align(target.tokens[0], phrase, surrogate.tokens[0], surrogate_phrase)


def concept_moments(
    encoder: TextEncoder, concept: Concept, progress: Callable[[int, int], None] | None = None
) -> ConceptMoments:
    """The moments of a concept over all its prompt pairs. ``progress(done, total)`` counts prompts.

    Raises ValueError as ``MomentSum.add`` does.
    """
    total = MomentSum(encoder)
    total.add(concept, progress)
    return total.moments()


class MomentSum:
    """The sum of the moments of any number of concepts, in constant memory.

    A surrogate's prompt is paired with the targets of many concepts. In sum e_g e_f^T it is on the left of
    all of them, so their e_f are summed first and multiplied once: concepts with the same surrogate share its
    cost. together: all concepts erased in the same run; prompts of one that name another are left out.
    """

    def __init__(self, encoder: TextEncoder, together: Sequence[Concept] = ()):
        self._encoder, self._naming = encoder, templates_naming(together)
        self._G = self._F = self._rest = None  # [d, d] float64; F and rest above the diagonal only
        self._waiting: dict[str, tuple[Tensor, Tensor]] = {}  # surrogate prompt -> its tokens; sums of e_f
        self._pooled: list[Tensor] = []  # G and F of the pooled vectors

    def add(self, concept: Concept, progress: Callable[[int, int], None] | None = None) -> None:
        """Add a concept's prompt pairs. ``progress(done, total)`` counts prompts.

        Raises ValueError: a phrase too long for the text encoder, a phrase not found in its prompts,
        NaN embeddings.
        """
        pairs = prompt_pairs(concept, self._naming)
        check_fits(self._encoder, {p.target: p.phrase for p in pairs})
        check_fits(self._encoder, {p.surrogate: p.surrogate_phrase for p in pairs})
        prompts = [prompt for p in pairs for prompt in (p.target, p.surrogate)]
        encoded = encode_once(self._encoder, prompts, progress)
        d = encoded[prompts[0]].embeddings.shape[-1]
        if self._G is None:
            self._G, self._F, self._rest = (torch.zeros(d, d, dtype=torch.float64) for _ in range(3))
        seen: set[str] = set()
        matched, unmatched = [], []
        for pair in pairs:
            f, g = matching_positions(self._encoder, pair, encoded)
            target = encoded[pair.target].embeddings[0]
            self._wait(pair.surrogate, encoded[pair.surrogate].embeddings[0], g, target[f])
            matched.append(target[f])
            if pair.target in seen:  # every pair counts in F, but each target prompt only once in C
                _add_gram(self._rest, target[f].double(), -1)
            else:
                unmatched.append(target[_others(f, len(target))])
            seen.add(pair.target)
        for start in range(0, len(matched), PAIRS):
            _add_gram(self._F, torch.cat(matched[start : start + PAIRS]).double())
        _add_gram(self._rest, torch.cat(unmatched).double())
        self._add_pooled([(encoded[pair.target].pooled, encoded[pair.surrogate].pooled) for pair in pairs])

    def moments(self) -> ConceptMoments:
        """The sum so far. C has the tokens of F, once per prompt, and those without a match."""
        self._multiply()
        F = whole(self._F)
        pooled = None
        if self._pooled:
            pooled_G, pooled_F = self._pooled
            pooled = ConceptMoments(pooled_G, pooled_F, pooled_F, self._encoder.fingerprint)
        return ConceptMoments(self._G.clone(), F, F + whole(self._rest), self._encoder.fingerprint, pooled)

    def _add_pooled(self, pairs: Sequence[tuple[Tensor | None, Tensor | None]]) -> None:
        """A pooled vector counts as often as a prompt has tokens, so that the weights of equation 2 mean the
        same for both."""
        if pairs[0][0] is None:
            return
        f, g = (torch.cat(side).double() for side in zip(*pairs, strict=True))  # [n, p]
        sums = [self._encoder.context_length * each.T @ f for each in (g, f)]
        self._pooled = [a + b for a, b in zip(self._pooled, sums)] if self._pooled else sums

    def _wait(self, prompt: str, surrogate: Tensor, g: Tensor, e_f: Tensor) -> None:
        if prompt not in self._waiting:
            if len(self._waiting) == WAITING:
                self._multiply()
            self._waiting[prompt] = surrogate, torch.zeros(surrogate.shape, dtype=torch.float64)
        self._waiting[prompt][1].index_add_(0, g, e_f.double())

    def _multiply(self) -> None:
        for surrogate, sums in self._waiting.values():
            self._G.addmm_(surrogate.double().T, sums)
        self._waiting.clear()


def second_moment(embeddings: Iterable[Tensor]) -> Tensor:
    """sum e e^T ``[d, d]`` float64 over all tokens of ``embeddings``, each ``[..., d]``."""
    total = None
    for e in embeddings:
        rows = e.flatten(0, -2).double()
        total = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64) if total is None else total
        _add_gram(total, rows)
    return whole(total)


def _add_gram(total: Tensor, X: Tensor, sign: int = 1) -> None:
    """Add X^T X for X ``[n, d]`` to ``total``, on and above the diagonal only: about half the products."""
    for start in range(0, len(total), STRIPE):
        end = start + STRIPE
        total[start:end, start:].addmm_(X[:, start:end].T, X[:, start:], alpha=sign)


def whole(upper: Tensor) -> Tensor:
    """The symmetric matrix ``[d, d]`` whose part on and above the diagonal is given."""
    return upper.triu() + upper.triu(1).T


def _others(positions: Tensor, length: int) -> Tensor:
    """bool ``[length]``, false at ``positions``."""
    others = torch.ones(length, dtype=torch.bool)
    others[positions] = False
    return others


def block_moment(X: Tensor) -> Tensor:
    """X^T X ``[d, d]`` for X ``[n, d]``, in its dtype and on its device; on and above the diagonal only."""
    total = torch.zeros(X.shape[1], X.shape[1], dtype=X.dtype, device=X.device)
    _add_gram(total, X)
    return total


def check_same_encoder(what: str, fingerprints: Iterable[str], widths: Iterable[int]) -> None:
    """Raise ValueError unless all fingerprints, and all widths d, are equal; ``what`` names their owners."""
    if len(known := sorted(set(fingerprints))) > 1:
        raise ValueError(
            f"The text encoders of {what} differ ({', '.join(name[:8] for name in known)}): "
            "make all of them with the same CLIP."
        )
    if len(known := sorted(set(widths))) > 1:
        raise ValueError(
            f"The text embedding widths of {what} differ ({', '.join(map(str, known))}): "
            "make all of them with the same CLIP."
        )
