"""Makes a gate: prototypes of a concept's tokens, and how close a token must come to them.

The whitening and a set of other names come from a few everyday names (a Reference), which depend only on the
text encoder. Each concept is calibrated alone: against its own prompts, those names, and the captions of the
prior.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..concepts.concepts import Concept, contains
from ..concepts.kinds import KINDS
from ..concepts.prompts import PromptPair, prompt_pairs
from ..encoder.alignment import end_and_padding, locate
from ..encoder.text_encoder import EncodedPrompts, TextEncoder, encode_once
from ..refinement.moments import check_same_encoder
from ..refinement.prior import Prior
from .calibrate_pooled import PooledReference, calibrated_pooled, pooled_reference
from .gate import END, PADDING, WORD, Gate, gate_values
from .pooled import pooled_gate_values

EVERY = 4  # one template in so many makes prototypes; the others show how many prompts are missed
REFERENCE = {"object": 16, "person": 4}  # everyday names per kind
SHRINKAGE = 0.1  # of the covariance, relative to its mean eigenvalue
# Ramps (SURE, LIKELY, ENDED, PADDED) as shares of the way from the closest other name (0) to a concept's own
# prompts (1). Chosen on the tuning split of the miniature (mini/splits.json); frozen splits only measure
# them.
RAMPS = ((0.5, 0.65), (0.0, 0.2), (0.35, 0.5), (0.35, 0.5))
CLOSE = 0.1  # least distance between the two, so that a ramp has a slope


@dataclass(frozen=True, eq=False)
class Reference:
    """Tokens of everyday names. centres ``[3, d]``, whitening ``[d, d]``: as in Gate; rows ``[n, 3, d]``:
    WORD, END and PADDING of each prompt, all float32; texts: the n prompts; fingerprint: of the text
    encoder; pooled: of the same prompts, if the text encoder has pooled vectors."""

    centres: Tensor
    whitening: Tensor
    rows: Tensor
    texts: tuple[str, ...]
    fingerprint: str
    pooled: PooledReference | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """Of n prompts: tokens ``[n, 3, d]``, their WORD, END and PADDING; pooled ``[n, p]`` or None; float32."""

    tokens: Tensor
    pooled: Tensor | None


@dataclass(frozen=True)
class Calibrated:
    """What a gate promises for one concept. caught: the share (0..1) of its other prompts that it opens for;
    nearest: how close the closest text to preserve comes to one of its phrases, from 0 to 1, where both are
    the same; phrase, text: these two."""

    target: str
    caught: float
    nearest: float
    phrase: str
    text: str


def reference_of(encoder: TextEncoder, progress: Callable[[int, int], None] | None = None) -> Reference:
    """The reference of a text encoder: centres ``[3, d]``, whitening ``[d, d]``, rows ``[n, 3, d]``.

    ``progress(done, total)`` counts prompts. Raises ValueError for NaN embeddings.
    """
    texts: list[str] = []
    groups: list[Tensor] = []
    pooled: list[Tensor] = []
    for kind, count in REFERENCE.items():
        names = list(KINDS[kind].everyday)
        for name in names[:: max(1, len(names) // count)][:count]:
            pairs = prompt_pairs(Concept(name, "something", kind))[::EVERY]
            rows = prompt_rows(encoder, pairs, progress)
            groups.append(rows.tokens)  # [templates, 3, d]
            pooled += [] if rows.pooled is None else [rows.pooled]
            texts += [pair.target for pair in pairs]
    spread = torch.cat([rows - rows.mean(0) for rows in groups]).flatten(0, 1).double()
    covariance = spread.T @ spread / len(spread)
    d = len(covariance)
    covariance += SHRINKAGE * covariance.diagonal().mean() * torch.eye(d, dtype=torch.float64)
    whitening = torch.linalg.cholesky(torch.linalg.inv(covariance))
    rows = torch.cat(groups)
    own = pooled_reference(pooled, encode_once(encoder, [""])[""].pooled) if pooled else None
    whitening = whitening.float().contiguous()  # as a cache gives it: products round the same
    return Reference(rows.mean(0), whitening, rows, tuple(texts), encoder.fingerprint, own)


def prompt_rows(
    encoder: TextEncoder, pairs: Sequence[PromptPair], progress: Callable[[int, int], None] | None = None
) -> Rows:
    """The rows of each target prompt; a prompt without padding repeats END.

    Raises ValueError if a phrase is not found in its prompt.
    """
    encoded = encode_once(encoder, [pair.target for pair in pairs], progress)
    tokens = torch.stack([_tokens_of(encoder, pair, encoded[pair.target]) for pair in pairs])
    pooled = [encoded[pair.target].pooled for pair in pairs]
    return Rows(tokens, None if pooled[0] is None else torch.cat(pooled).float())


def _tokens_of(encoder: TextEncoder, pair: PromptPair, encoded: EncodedPrompts) -> Tensor:
    tokens, e = encoded.tokens[0], encoded.embeddings[0]
    phrase = locate(encoder, tokens, pair.target, pair.phrase, pair.before)
    return torch.cat([e[phrase.stop - 1 : phrase.stop].float(), end_and_padding(tokens, e, phrase)])


def calibrated_gate(
    encoder: TextEncoder,
    concept: Concept,
    prior: Prior | None,
    reference: Reference,
    naming: Mapping[str, Set[str]] | None = None,
    ramps: Sequence[tuple[float, float]] = RAMPS,
) -> tuple[Gate, Calibrated]:
    """The gate of one concept, prototypes ``[3, phrases, d]``, and what it promises.

    naming: as in ``prompt_pairs``, for the promise only: the gate depends on no other concept; ramps: shares
    as in ``RAMPS``. Raises ValueError: different text encoders, and the errors of ``prompt_rows``.
    """
    check_same_encoder(
        "the concepts and the prior",
        [encoder.fingerprint, reference.fingerprint, *([prior.fingerprint] if prior else [])],
        [reference.whitening.shape[0], *([prior.P.shape[0]] if prior else [])],
    )
    made_from = prompts_of_phrases(concept)
    own_rows = prompt_rows(encoder, made_from)
    rows = own_rows.tokens.unflatten(0, (len(concept.phrases), -1))  # [phrases, m, 3, d]
    white = (rows - reference.centres) @ reference.whitening
    prototypes = normalize(white.mean(1), dim=-1).transpose(0, 1)  # [3, phrases, d]
    cosine = torch.einsum("ptkd,kpd->kpt", normalize(white, dim=-1), prototypes)
    own = cosine.median(-1).values  # [3, phrases]
    surrogates = [of_surrogate(pair) for pair in made_from[: rows.shape[1]]]
    surrogate = prompt_rows(encoder, surrogates)
    preserved, texts = _preserved(concept, prior, reference)
    others = _cosines_of_others(reference, prototypes, surrogate.tokens, preserved)
    closest = torch.stack([each.amax(0) for each in others])  # [3, phrases]
    span = (own - closest).clamp(min=CLOSE)
    kinds = [WORD, WORD, END, PADDING]  # of the ramps
    cosines = closest[kinds][:, None] + torch.tensor(ramps)[..., None] * span[kinds][:, None]
    pooled = None
    if reference.pooled is not None:
        whole = own_rows.pooled.unflatten(0, (len(concept.phrases), -1))
        pooled = calibrated_pooled(
            whole, _pooled_others(concept, prior, reference, surrogate), reference.pooled
        )
    gate = Gate(reference.centres, reference.whitening, prototypes, cosines, pooled=pooled)
    unseen = prompt_rows(encoder, [pair for pair in prompt_pairs(concept, naming) if pair not in made_from])
    nearness = others[END] / own[END]  # [n, phrases]
    text, phrase = divmod(int(nearness.argmax()), nearness.shape[1])
    texts = [*(pair.target for pair in surrogates), *texts]
    near = float(nearness.max()), concept.phrases[phrase], texts[text]
    return gate, Calibrated(concept.target, _caught(gate, unseen), *near)


def _caught(gate: Gate, unseen: Rows) -> float:
    """The share of prompts whose word, end and pooled vector open the gate."""
    opened = (gate_values(gate, unseen.tokens)[:, : END + 1] > 0.5).all(-1)
    if gate.pooled is not None:
        opened &= pooled_gate_values(gate.pooled, unseen.pooled) > 0.5
    return float(opened.float().mean())


def prompts_of_phrases(concept: Concept) -> list[PromptPair]:
    """The m prompts per phrase that prototypes are made from, phrase by phrase."""
    pairs = prompt_pairs(concept)
    templates = len(pairs) // len(concept.phrases)
    return [pair for n, pair in enumerate(pairs) if n % templates % EVERY == 0]


def of_surrogate(pair: PromptPair) -> PromptPair:
    """The surrogate's prompt of a pair, as a pair whose target it is."""
    return replace(pair, target=pair.surrogate, phrase=pair.surrogate_phrase)


def _preserved(
    concept: Concept, prior: Prior | None, reference: Reference
) -> tuple[tuple[Tensor, Tensor], list[str]]:
    """Rows ``[n, 3, d]`` of everyday names and ``[m, 2, d]`` (END, PADDING) of the prior's captions, without
    those that name the concept, and their n + m texts."""
    names = _others(concept, reference.texts)
    rows, texts = reference.rows[names], [reference.texts[n] for n in names]
    if prior is None or prior.ends is None:
        return (rows, rows[:0, END:]), texts
    captions = _others(concept, prior.texts)
    return (rows, prior.ends[captions]), texts + [prior.texts[n] for n in captions]


def _pooled_others(concept: Concept, prior: Prior | None, reference: Reference, surrogate: Rows) -> Tensor:
    """Pooled vectors ``[n, p]`` of everyday names, the empty prompt, the surrogate and the prior's
    captions."""
    known = [reference.pooled.rows[_others(concept, (*reference.texts, ""))], surrogate.pooled]
    if prior is not None and prior.pooled is not None and prior.pooled.ends is not None:
        known.append(prior.pooled.ends[_others(concept, prior.pooled.texts), 0])
    return torch.cat(known)


def _others(concept: Concept, texts: Sequence[str]) -> list[int]:
    """The texts that do not name the concept."""
    return [n for n, text in enumerate(texts) if not any(contains(text, each) for each in concept.phrases)]


def _cosines_of_others(
    reference: Reference, prototypes: Tensor, surrogate: Tensor, preserved: tuple[Tensor, Tensor]
) -> list[Tensor]:
    """For WORD, END and PADDING: the cosines ``[n, phrases]`` of what is not the concept: its surrogate, then
    what is preserved."""
    rows, ends = preserved
    found = []
    for kind in (WORD, END, PADDING):
        tokens = [surrogate[:, kind], rows[:, kind], *([ends[:, kind - END]] if kind != WORD else [])]
        white = (torch.cat(tokens) - reference.centres[kind]) @ reference.whitening
        found.append(normalize(white, dim=-1) @ prototypes[kind].T)
    return found
