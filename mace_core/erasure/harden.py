"""Hardens a gate against embeddings that are learned instead of written.

A gate knows a concept by the cosines of its words. The layers read products, not cosines, so a learned
embedding that is long enough, or that lies in another direction, draws the concept where the gate is all but
shut; and where it is open, T can be inverted. Closed-form rounds find such embeddings without learning them.
In a prompt about the concept, a token that reaches farther along them than any other word is replaced by the
surrogate's, as the concept's own word is.

After RECE (Gong et al., "Reliable and Efficient Concept Erasure", ECCV 2024), which finds the embedding that
comes closest to the concept through the edited weights. Here it must also be new to the gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from ..concepts.concepts import Concept, contains
from ..encoder.alignment import end_token
from ..encoder.text_encoder import TextEncoder, encode_once
from ..refinement.moments import block_moment, whole
from .calibrate import of_surrogate, prompts_of_phrases
from .gate import NEVER, WORD, Gate
from .rows import prompt_rows

# Shares of the way from the closest other word (0) to the concept (1). `python -m dev.results.harden` tries
# others on the tuning split: none is two standard errors better.
LEVELS = (0.0, 0.2)
FAR = 1.2  # of the closest other word: the concept counts as at least so far
SINGULAR = 1e-6  # of M's mean eigenvalue, added to M


def words_of(encoder: TextEncoder, texts: Sequence[str]) -> dict[str, Tensor]:
    """Text -> its tokens before the end token ``[n, d]`` float32: what a hardened gate must not replace."""
    return {
        text: each.embeddings[0, : end_token(each.tokens[0], slice(0, 1))].float()
        for text, each in encode_once(encoder, texts).items()
    }


def moment_of_weights(weights: Iterable[Tensor]) -> Tensor:
    """M = sum W^T W ``[d, d]`` float64 over projections W ``[o, d]``; products in float32."""
    return whole(sum(block_moment(W.float()).double() for W in weights))


def hardened(
    gate: Gate,
    encoder: TextEncoder,
    concept: Concept,
    M: Tensor,
    words: Mapping[str, Tensor],
    rounds: int,
    levels: tuple[float, float] = LEVELS,
) -> Gate:
    """The gate of one concept, hardened along 1 + ``rounds`` directions of each of its phrases.

    M: sum W^T W over the projections ``[d, d]`` float64; words: as from ``words_of``, those of texts that
    name the concept do not count; levels: as LEVELS. The gate depends on no other concept. Raises ValueError
    as ``prompt_rows``.
    """
    made_from = prompts_of_phrases(concept)
    tokens = prompt_rows(encoder, made_from).tokens[:, WORD].double()
    own = tokens.unflatten(0, (len(concept.phrases), -1))  # [phrases, templates, d]
    surrogates = [of_surrogate(pair) for pair in made_from[: own.shape[1]]]
    others = [
        rows
        for text, rows in (words | words_of(encoder, [pair.target for pair in surrogates])).items()
        if not any(contains(text, phrase) for phrase in concept.phrases)
    ]
    centre, whitening = gate.centres[WORD].double(), gate.whitening.double()
    natural = torch.cat(others).double() - centre
    directions, reaches = [], []
    for rows in own - centre:
        found = embeddings_that_draw(M, rows.mean(0), whitening, rounds)  # [1 + rounds, d]
        along = normalize(found @ whitening, dim=-1) @ whitening.T
        reached = (found * along).sum(-1)
        closest = (natural @ along.T).amax(0).clamp(min=0)
        span = torch.maximum(reached, FAR * closest) - closest
        directions.append(along)
        reaches.append(torch.stack([closest + share * span for share in levels]))
    landing = prompt_rows(encoder, surrogates).tokens[:, WORD].mean(0)  # [d]
    n = gate.prototypes.shape[1]
    beside = n - len(own)  # the same phrases beside another object, which are not hardened
    never = torch.tensor(NEVER)[:, None, None].expand(-1, 1 + rounds, beside)
    return replace(
        gate,
        directions=pad(torch.stack(directions, 1).float(), (0, 0, 0, beside)),
        levels=torch.cat([torch.stack(reaches, -1).float(), never], -1),
        landings=landing.repeat(n, 1),
    )


def embeddings_that_draw(M: Tensor, concept: Tensor, whitening: Tensor, rounds: int) -> Tensor:
    """The concept's embedding, and one per round that is new to all before it, ``[1 + rounds, d]`` float64.

    Each x minimises sum_l |W_l (x - c)|^2 = (x - c)^T M (x - c) where its whitened product with every earlier
    one is 0, Q x = 0 with a row of Q for each:

        x = c - M^-1 Q^T (Q M^-1 Q^T)^-1 Q c

    concept: c ``[d]``, relative to the gate's centre; M ``[d, d]``; whitening ``[d, d]``, as in Gate.
    """
    M = M.double()
    L = torch.linalg.cholesky(M + SINGULAR * M.diagonal().mean() * torch.eye(len(M), dtype=M.dtype))
    c = concept.double()
    found = [c]
    for _ in range(rounds):
        Q = normalize(torch.stack(found) @ whitening, dim=-1) @ whitening.T  # [earlier, d]
        inverse = torch.cholesky_solve(Q.T, L)  # M^-1 Q^T
        found.append(c - inverse @ torch.linalg.solve(Q @ inverse, Q @ c))
    return torch.stack(found)
