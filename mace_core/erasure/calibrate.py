"""Makes a gate: prototypes of a concept's tokens, and how close a token must come to them.

The whitening and a set of other names come from a few everyday names (a Reference), which depend only on the
text encoder. Each concept is calibrated alone: against its own prompts, those names, people who share a part
of its name, and the captions of the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..concepts.concepts import Concept, canonical, contains
from ..concepts.kinds import KINDS
from ..concepts.prompts import PromptPair, prompt_pairs, prompts_beside, prompts_of_namesakes
from ..encoder.text_encoder import TextEncoder, encode_once
from ..refinement.moments import check_same_encoder
from ..refinement.prior import Prior
from .calibrate_pooled import PooledReference, calibrated_pooled, pooled_reference
from .gate import END, NEVER, PADDING, SURE, WORD, Gate, gate_values, joined
from .pooled import joined_pooled, pooled_gate_values
from .rows import Prototypes, Rows, prompt_rows, prototypes_of

EVERY = 4  # one template in so many makes prototypes; the others show how many prompts are missed
REFERENCE = {"object": 16, "person": 4}  # everyday names per kind
SHRINKAGE = 0.1  # of the covariance, relative to its mean eigenvalue
# Ramps (SURE, LIKELY, ENDED, PADDED) as shares of the way from the closest other name (0) to a concept's own
# prompts (1). Chosen on the tuning split of the miniature (mini/splits.json); frozen splits only measure
# them.
RAMPS = ((0.5, 0.65), (0.0, 0.2), (0.35, 0.5), (0.35, 0.5))
CLOSE = 0.1  # least distance between the two, so that a ramp has a slope
CLOSE_AND = 0.02  # the same for "and", whose tokens are nearly the same in all prompts


@dataclass(frozen=True, eq=False)
class Reference:
    """Tokens of everyday names. centres ``[3, d]``, whitening ``[d, d]``: as in Gate; rows ``[n, 3, d]``:
    WORD, END and PADDING of each prompt, all float32; texts: the n prompts; beside ``[m, 4, d]``,
    texts_beside: the same of m prompts that name a second object first, and the token after the name where
    the name is first; fingerprint: of the text encoder; pooled: of the same prompts, if the text encoder has
    pooled vectors."""

    centres: Tensor
    whitening: Tensor
    rows: Tensor
    texts: tuple[str, ...]
    beside: Tensor
    texts_beside: tuple[str, ...]
    fingerprint: str
    pooled: PooledReference | None = None


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
    last: list[PromptPair] = []
    first: list[PromptPair] = []
    for kind, count in REFERENCE.items():
        names = list(KINDS[kind].everyday)
        for name in names[:: max(1, len(names) // count)][:count]:
            concept = Concept(name, "something", kind)
            pairs, (after, before) = prompt_pairs(concept)[::EVERY], prompts_beside(concept)
            last, first = [*last, *after], [*first, *before]
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
    beside, following = prompt_rows(encoder, last, progress), prompt_rows(encoder, first, progress).next
    own = None
    if pooled:
        own = pooled_reference(pooled, encode_once(encoder, [""])[""].pooled, beside.pooled)
    whitening = whitening.float().contiguous()  # as a cache gives it: products round the same
    return Reference(
        rows.mean(0),
        whitening,
        rows,
        tuple(texts),
        torch.cat([beside.tokens, following[:, None]], 1),
        tuple(pair.target for pair in last),
        encoder.fingerprint,
        own,
    )


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
    surrogates = [of_surrogate(pair) for pair in made_from[: rows.shape[1]]]
    near = [*surrogates, *prompts_of_namesakes(concept)]
    near_rows = prompt_rows(encoder, near)
    preserved, texts = _preserved(concept, prior, reference)
    others = _others_of_kinds(near_rows.tokens, preserved)
    prototypes = prototypes_of(reference.centres, reference.whitening, rows.unbind(2), others)
    gate = _gate_of(reference, prototypes, ramps)
    # A namesake alone can be closer than the name beside another object: it does not count there.
    others_beside, others_pooled = _others_of_kinds(near_rows.tokens[: len(surrogates)], preserved), None
    if reference.pooled is not None:
        whole = own_rows.pooled.unflatten(0, (len(concept.phrases), -1))
        known, others_pooled = (
            _pooled_others(concept, prior, reference, near_rows.pooled[:count])
            for count in (len(near), len(surrogates))
        )
        gate = replace(gate, pooled=calibrated_pooled(whole, known, reference.pooled))
    if beside := _gate_beside(encoder, concept, reference, others_beside, others_pooled, ramps):
        gate = joined([gate, beside])
    unseen = prompt_rows(encoder, [pair for pair in prompt_pairs(concept, naming) if pair not in made_from])
    nearness = prototypes.others[END] / prototypes.own[END]  # [n, phrases]
    text, phrase = divmod(int(nearness.argmax()), nearness.shape[1])
    texts = [*(pair.target for pair in near), *texts]
    closest = float(nearness.max()), concept.phrases[phrase], texts[text]
    return gate, Calibrated(concept.target, _caught(gate, unseen), *closest)


def _gate_of(
    reference: Reference, found: Prototypes, ramps: Sequence[tuple[float, float]], close: float = CLOSE
) -> Gate:
    closest = torch.stack([each.amax(0) for each in found.others])  # [3, phrases]
    span = (found.own - closest).clamp(min=close)
    kinds = [WORD, WORD, END, PADDING]  # of the ramps
    cosines = closest[kinds][:, None] + torch.tensor(ramps)[..., None] * span[kinds][:, None]
    return Gate(reference.centres, reference.whitening, found.vectors, cosines)


def _gate_beside(
    encoder: TextEncoder,
    concept: Concept,
    reference: Reference,
    others: Sequence[Tensor],
    others_pooled: Tensor | None,
    ramps: Sequence[tuple[float, float]],
) -> Gate | None:
    """The same phrases in prompts with a second object, twice: with prototypes of their words, which carry
    what is before them, and with prototypes of "and", which carries the phrase. None for kinds without such
    prompts.

    Prototypes are relative to everyday names in such prompts, so that neither the second object nor there
    being one counts. Words count only once the end of the prompt is about the phrase; and parts of a phrase
    are not the phrase.
    """
    after, before = prompts_beside(concept)
    two = _others(concept, reference.texts_beside)
    if not after or not two:
        return None
    last, first = prompt_rows(encoder, after), prompt_rows(encoder, before)
    phrases, parts = (len(concept.phrases), -1), torch.cat([last.parts, first.parts])
    own_last, own_first = (rows.tokens.unflatten(0, phrases) for rows in (last, first))
    own_ends = torch.cat([own_last, own_first], 1).unbind(2)[END:]
    words, ends, paddings, following = reference.beside[two].unbind(1)
    known = torch.cat([ends, paddings, *others[END:], parts])  # no kind opens for another's
    made = []
    sure, _, *of_ends = ramps
    for own, common, of_words, settings in (
        (own_last[:, :, WORD], words, [words, others[WORD]], (ramps, CLOSE)),
        # as sure as a word by itself, or the second object opens too
        (first.next.unflatten(0, phrases), following, [following], ((sure, sure, *of_ends), CLOSE_AND)),
    ):
        found = prototypes_of(
            reference.centres,
            reference.whitening,
            [own, *own_ends],
            [torch.cat(of_words), known, known],
            [common, ends, paddings],
        )
        made.append(_gate_of(reference, found, *settings))
    gate = joined(made)
    gate.ramps[SURE] = torch.tensor(NEVER)[:, None]
    if others_pooled is None:
        return gate
    whole = torch.cat([rows.pooled.unflatten(0, phrases) for rows in (last, first)], 1)
    common = reference.pooled.beside[two]
    known = torch.cat([common, others_pooled])
    pooled = calibrated_pooled(whole, known, reference.pooled, common)
    return replace(gate, pooled=joined_pooled([pooled] * len(made)))


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


def _pooled_others(concept: Concept, prior: Prior | None, reference: Reference, near: Tensor) -> Tensor:
    """Pooled vectors ``[n, p]`` of everyday names, the empty prompt, prompts near the concept ``[m, p]`` and
    the prior's captions."""
    known = [reference.pooled.rows[_others(concept, (*reference.texts, ""))], near]
    if prior is not None and prior.pooled is not None and prior.pooled.ends is not None:
        known.append(prior.pooled.ends[_others(concept, prior.pooled.texts), 0])
    return torch.cat(known)


def _others(concept: Concept, texts: Sequence[str]) -> list[int]:
    """The texts that do not name the concept."""
    phrases = [canonical(each) for each in concept.phrases]
    return [n for n, text in enumerate(texts) if not any(contains(text.casefold(), each) for each in phrases)]


def _others_of_kinds(near: Tensor, preserved: tuple[Tensor, Tensor]) -> list[Tensor]:
    """For WORD, END and PADDING: tokens ``[n, d]`` of what is not the concept: its surrogate and namesakes,
    then what is preserved."""
    rows, ends = preserved
    return [
        torch.cat([near[:, kind], rows[:, kind], *([ends[:, kind - END]] if kind != WORD else [])])
        for kind in (WORD, END, PADDING)
    ]
