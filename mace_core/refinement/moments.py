"""The sums over token embeddings that stage 1 and stage 3 consist of.

All projections W share them: in equation 2, W factors out on the left. They depend on the text encoder and
the prompts only, are additive over concepts, and are summed in float64.
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

STRIPE = 96  # columns of a symmetric product that are calculated at once
PAIRS = 4  # pairs whose tokens are multiplied at once: few enough to stay in fast memory
WAITING = 2 * BATCH  # surrogate prompts whose targets are added up before they are multiplied


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

    def times(self, weight: float) -> ConceptMoments:
        """The moments of a concept that counts ``weight`` times."""
        return replace(self, G=weight * self.G, F=weight * self.F, C=weight * self.C)


def matching_positions(
    encoder: TextEncoder, pair: PromptPair, encoded: dict[str, EncodedPrompts]
) -> tuple[LongTensor, LongTensor]:
    """Positions of the matching tokens of a pair, in its target and its surrogate prompt, ``[n]`` each."""
    target, surrogate = encoded[pair.target], encoded[pair.surrogate]
    phrase = locate(encoder, target.tokens[0], pair.target, pair.phrase, pair.before)
    surrogate_phrase = locate(
        encoder, surrogate.tokens[0], pair.surrogate, pair.surrogate_phrase, pair.before
    )
    return align(target.tokens[0], phrase, surrogate.tokens[0], surrogate_phrase)


def concept_moments(
    encoder: TextEncoder, concept: Concept, progress: Callable[[int, int], None] | None = None
) -> ConceptMoments:
    """The moments of a concept over all its prompt pairs; ``progress(done, total)`` counts prompts.

    Raises ValueError as ``MomentSum.add`` does.
    """
    total = MomentSum(encoder)
    total.add(concept, progress)
    return total.moments()


class MomentSum:
    """The moments of any number of concepts, added up in constant memory.

    A surrogate's prompt meets the targets of many concepts. In sum e_g e_f^T it stands on the left of all of
    them, so their e_f are added up first and multiplied once: concepts that share a surrogate share its cost.
    together: all that is erased in the same run; prompts of one that name another are left out.
    """

    def __init__(self, encoder: TextEncoder, together: Sequence[Concept] = ()):
        self._encoder, self._naming = encoder, templates_naming(together)
        self._G = self._F = self._rest = None  # [d, d] float64; F and rest above the diagonal only
        self._waiting: dict[str, tuple[Tensor, Tensor]] = {}  # surrogate prompt -> its tokens; sums of e_f

    def add(self, concept: Concept, progress: Callable[[int, int], None] | None = None) -> None:
        """Add a concept's prompt pairs; ``progress(done, total)`` counts prompts.

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
            if pair.target in seen:  # twice in F, as all pairs are, and once in C
                _add_gram(self._rest, target[f].double(), -1)
            else:
                unmatched.append(target[_others(f, len(target))])
            seen.add(pair.target)
        for start in range(0, len(matched), PAIRS):
            _add_gram(self._F, torch.cat(matched[start : start + PAIRS]).double())
        _add_gram(self._rest, torch.cat(unmatched).double())

    def moments(self) -> ConceptMoments:
        """The sums so far; C has the tokens of F, once a prompt, and those that match nothing."""
        self._multiply()
        F = whole(self._F)
        return ConceptMoments(self._G.clone(), F, F + whole(self._rest), self._encoder.fingerprint)

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
    """sum e e^T ``[d, d]`` float64 over all tokens of an iterable of ``[..., d]``."""
    total = None
    for e in embeddings:
        rows = e.flatten(0, -2).double()
        total = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64) if total is None else total
        _add_gram(total, rows)
    return whole(total)


def _add_gram(total: Tensor, X: Tensor, sign: int = 1) -> None:
    """Add X^T X of ``[n, d]`` to ``total``, above the diagonal only: little more than half the products."""
    for start in range(0, len(total), STRIPE):
        end = start + STRIPE
        total[start:end, start:].addmm_(X[:, start:end].T, X[:, start:], alpha=sign)


def whole(upper: Tensor) -> Tensor:
    """A symmetric matrix from what is on and above its diagonal."""
    return upper.triu() + upper.triu(1).T


def _others(positions: Tensor, length: int) -> Tensor:
    """bool ``[length]``, false at ``positions``."""
    others = torch.ones(length, dtype=torch.bool)
    others[positions] = False
    return others


def block_moment(X: Tensor) -> Tensor:
    """X^T X ``[d, d]`` of a block X ``[n, d]``, in its dtype and on its device; above the diagonal only."""
    total = torch.zeros(X.shape[1], X.shape[1], dtype=X.dtype, device=X.device)
    _add_gram(total, X)
    return total


def check_same_encoder(what: str, fingerprints: Iterable[str], widths: Iterable[int]) -> None:
    """Raise ValueError unless all fingerprints, and all widths d, are the same."""
    if len(known := sorted(set(fingerprints))) > 1:
        raise ValueError(
            f"The text encoders of {what} differ ({', '.join(name[:8] for name in known)}): "
            "make all of them with the CLIP of the same checkpoint."
        )
    if len(known := sorted(set(widths))) > 1:
        raise ValueError(
            f"The text embedding widths of {what} differ ({', '.join(map(str, known))}): "
            "make all of them with the CLIP of the same checkpoint."
        )
