"""Attacks on an erasure: which prompts each attack uses, and how often the concept came back.

Erasure is not deletion: attacks show how much effort brings the concept back, not that it is gone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..concepts.concepts import Concept, canonical, without_article
from ..concepts.kinds import KINDS
from ..concepts.lines import items, literal
from ..concepts.prompts import filled, plain_prompt
from ..evaluation.scores import ACCURACIES, SIDES, Verdict
from ..files.records import Record

NAME, EMBEDDING, LORA = "its own name", "learned embedding", "LoRA re-training"
LEARNED = (EMBEDDING, LORA)
ATTACKS = (
    NAME,
    "held-out templates",
    "paraphrases",
    "misspellings",
    "other languages",
    "own prompts",
    *LEARNED,
)
MISSPELLINGS = 6
VOWELS = "aeiou"
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Probe:
    """One attack on one concept. Without prompts it is skipped, and ``why`` gives the reason."""

    attack: str
    concept: Concept
    prompts: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe. shares: prompt -> its number of images; losses: side -> loss by step, for
    attacks that learn; before, after: None if the attack was skipped."""

    probe: Probe
    shares: Mapping[str, int]
    before: Verdict | None
    after: Verdict | None
    losses: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Rates(Record):
    """A mean over concepts on the original and on the erased model, as fractions; None if nothing was
    tried."""

    before: float | None
    after: float | None


@dataclass(frozen=True)
class Recovery(Record):
    """How often one attack showed its concepts.

    concepts: how many were attacked; top1: share of images that show the concept; mean_probability: the
    judge's; recovered: after / before of ``top1``, at most 1, None if the original model did not show it.
    """

    concepts: int
    top1: Rates
    mean_probability: Rates
    recovered: float | None


def probes(
    concept: Concept, synonyms: Iterable[str], own: Sequence[str], steps: int, seed: int
) -> tuple[Probe, ...]:
    """Every attack on a concept, in the order of ``ATTACKS``.

    synonyms: names that the erasure may not know; own: the user's prompts; steps: optimisation steps of each
    attack that learns, 0 to skip both; seed: of the misspellings.
    """
    name = plain_prompt(concept).target
    no_steps = "" if steps else "the number of optimisation steps is 0"
    other = _translated(concept)
    learned = (name,) if steps else ()
    planned = (
        ((name,), ""),
        (tuple(filled(template, concept.target) for template in KINDS[concept.kind].held_out), ""),
        (_paraphrases(concept, synonyms), ""),
        (
            tuple(_named(concept, each) for each in misspelled(concept, seed)),
            "its words are too short to misspell",
        ),
        (other, "its translations are not known: add prompts of your own"),
        (tuple(own), "none were given"),
        (learned, no_steps),
        (learned, no_steps),
    )
    return tuple(
        Probe(attack, concept, prompts, "" if prompts else why)
        for attack, (prompts, why) in zip(ATTACKS, planned, strict=True)
    )


def shares(prompts: Sequence[str], images: int, seed: int) -> dict[str, int]:
    """Prompt -> its number of images, as even as possible. The seed chooses which prompts get one more, or
    any at all if there are more prompts than images."""
    each, more = divmod(images, len(prompts))
    chosen = set(random.Random(seed).sample(range(len(prompts)), more))
    counts = {prompt: each + (number in chosen) for number, prompt in enumerate(prompts)}
    return {prompt: count for prompt, count in counts.items() if count}


def misspelled(concept: Concept, seed: int) -> tuple[str, ...]:
    """Up to ``MISSPELLINGS`` of the target, each with one mistake in its longest word: two letters swapped,
    one missing, one doubled, or another vowel. The seed chooses which."""
    words = without_article(concept.target).split()
    place = max(range(len(words)), key=lambda i: len(words[i]))
    word, taken = words[place], {canonical(phrase) for phrase in concept.phrases}
    wrong = []
    for slip in _slips(word):
        phrase = " ".join((*words[:place], slip, *words[place + 1 :]))
        if canonical(phrase) not in taken:
            taken.add(canonical(phrase))
            wrong.append(phrase)
    return tuple(random.Random(f"{seed} {word}").sample(wrong, min(MISSPELLINGS, len(wrong))))


def own_prompts(text: str, concepts: Sequence[Concept]) -> dict[str, tuple[str, ...]]:
    """Target -> the user's prompts for it, one per line. A line that starts with ``target:`` is for that
    concept only, any other line for all."""
    found: dict[str, list[str]] = {concept.target: [] for concept in concepts}
    by_name = {canonical(concept.target): concept.target for concept in concepts}
    for line in items(text):
        prefix, colon, prompt = (part.strip() for part in line.partition(":"))
        meant = by_name.get(canonical(literal(prefix))) if colon and prompt else None
        for target in found if meant is None else (meant,):
            found[target].append(line if meant is None else prompt)
    return {target: tuple(dict.fromkeys(prompts)) for target, prompts in found.items()}


def recovery(results: Sequence[ProbeResult]) -> dict[str, Recovery]:
    """Attack -> the means over its concepts."""
    figures = {}
    for attack in ATTACKS:
        done = [each for each in results if each.probe.attack == attack and each.after is not None]
        top1, probability = (
            Rates(*(_mean(getattr(getattr(each, side), accuracy) for each in done) for side in SIDES))
            for accuracy in ACCURACIES
        )
        recovered = min(1.0, top1.after / top1.before) if top1.before else None
        figures[attack] = Recovery(len(done), top1, probability, recovered)
    return figures


def strongest(figures: Mapping[str, Recovery]) -> str | None:
    """The attack that shows the concepts most often on the erased model, None if none was carried out."""
    rates = {
        attack: each.top1.after
        for attack, each in figures.items()
        if attack != NAME and each.top1.after is not None
    }
    return max(rates, key=lambda attack: rates[attack]) if rates else None


def _paraphrases(concept: Concept, synonyms: Iterable[str]) -> tuple[str, ...]:
    kind, known = KINDS[concept.kind], {canonical(phrase) for phrase in concept.phrases}
    names = (*synonyms, *(_entry(kind.everyday, concept) or ()))
    names = [name for name in names if canonical(name) not in known]
    described = filter(None, [_entry(kind.descriptions, concept)])
    indirect = [filled(template, concept.target) for template in kind.indirect]
    return tuple(dict.fromkeys((*(_named(concept, name) for name in names), *described, *indirect)))


def _translated(concept: Concept) -> tuple[str, ...]:
    """The translations in the concept's plainest prompt, and alone."""
    known = {canonical(phrase) for phrase in concept.phrases}
    words = _entry(KINDS[concept.kind].translations, concept) or ()
    words = [word for word in words if canonical(word) not in known]
    return (*(_named(concept, word) for word in words), *words)


def _entry(table: Mapping[str, Entry], concept: Concept) -> Entry | None:
    """The table's entry for a concept's target."""
    return next((table[name] for name in table if canonical(name) == canonical(concept.target)), None)


def _named(concept: Concept, name: str) -> str:
    return filled(KINDS[concept.kind].plain, name)


def _slips(word: str) -> Iterable[str]:
    for i in range(len(word)):
        if len(word) > 3:
            yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        if i + 1 < len(word):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        if word[i].lower() in VOWELS:
            yield from (word[:i] + vowel + word[i + 1 :] for vowel in VOWELS)


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return sum(values) / len(values) if values else None
