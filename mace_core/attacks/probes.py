"""How an erased concept is asked for again: which prompts each attack draws, and how often it came back.

Erasure is not deletion: the attacks show how much it takes to get the concept back, not that it is gone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..concepts.concepts import Concept, same, without_article
from ..concepts.drawing import DRAWN_WITH, drawing_prompt
from ..concepts.everyday import EVERYDAY
from ..concepts.lines import items
from ..evaluation.scores import SIDES, Verdict
from .words import DESCRIPTIONS, ELSEWHERE, HELD_OUT, INDIRECT

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


@dataclass(frozen=True)
class Probe:
    """One attack on one concept. Without prompts it is not carried out, and ``why`` says for what reason."""

    attack: str
    concept: Concept
    prompts: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class ProbeResult:
    """What came of it. shares: prompt -> its number of pictures; losses: side -> by step, of what learned."""

    probe: Probe
    shares: Mapping[str, int]
    before: Verdict | None
    after: Verdict | None
    losses: Mapping[str, tuple[float, ...]]


def probes(
    concept: Concept, synonyms: Iterable[str], own: Sequence[str], steps: int, seed: int
) -> tuple[Probe, ...]:
    """Every attack on a concept, in the order of ``ATTACKS``.

    synonyms: names that the erasure may not have been told; own: the user's prompts; steps: what an attack
    may learn for, 0 leaves both out.
    """
    name = drawing_prompt(concept).target
    no_steps = "" if steps else "no optimisation steps were allowed"
    other = _elsewhere(concept)
    learned = (name,) if steps else ()
    planned = (
        ((name,), ""),
        (tuple(_filled(template, concept.target) for template in HELD_OUT[concept.kind]), ""),
        (_paraphrases(concept, synonyms), ""),
        (
            tuple(_named(concept, each) for each in misspelled(concept, seed)),
            "its words are too short to misspell",
        ),
        (other, "no words for it in other languages are known here: give prompts of your own"),
        (tuple(own), "none were given"),
        (learned, no_steps),
        (learned, no_steps),
    )
    return tuple(
        Probe(attack, concept, prompts, "" if prompts else why)
        for attack, (prompts, why) in zip(ATTACKS, planned, strict=True)
    )


def shares(prompts: Sequence[str], images: int, seed: int) -> dict[str, int]:
    """How ``images`` pictures are shared among the prompts, as evenly as possible; which prompts get one more
    (or any at all, when there are more prompts than pictures) is the seed's draw."""
    each, more = divmod(images, len(prompts))
    chosen = set(random.Random(seed).sample(range(len(prompts)), more))
    counts = {prompt: each + (number in chosen) for number, prompt in enumerate(prompts)}
    return {prompt: count for prompt, count in counts.items() if count}


def misspelled(concept: Concept, seed: int) -> tuple[str, ...]:
    """Up to ``MISSPELLINGS`` of the target, each with one slip in its longest word: two letters swapped, one
    left out, one doubled, or another vowel. The seed draws which."""
    words = without_article(concept.target).split()
    place = max(range(len(words)), key=lambda i: len(words[i]))
    word, taken = words[place], {same(phrase) for phrase in concept.phrases}
    wrong = []
    for slip in _slips(word):
        phrase = " ".join((*words[:place], slip, *words[place + 1 :]))
        if same(phrase) not in taken:
            taken.add(same(phrase))
            wrong.append(phrase)
    return tuple(random.Random(f"{seed} {word}").sample(wrong, min(MISSPELLINGS, len(wrong))))


def own_prompts(text: str, concepts: Sequence[Concept]) -> dict[str, tuple[str, ...]]:
    """Target -> the user's prompts for it: a line that starts with ``target:`` is for that one, any other
    line for all; ``#`` starts a comment."""
    found: dict[str, list[str]] = {concept.target: [] for concept in concepts}
    for line in items(text):
        prefix, colon, prompt = (part.strip() for part in line.partition(":"))
        meant = [each.target for each in concepts if colon and prompt and same(each.target) == same(prefix)]
        for target in meant or found:
            found[target].append(prompt if meant else line)
    return {target: tuple(dict.fromkeys(prompts)) for target, prompts in found.items()}


def recovery(results: Sequence[ProbeResult]) -> dict[str, dict]:
    """Per attack the mean over its concepts, of the share of pictures that show the concept (``top1``) and of
    the judge's probability (``mean_probability``), before and after; None where it was not carried out.

    recovered: after / before of ``top1``, at most 1; None when the unedited model did not show it either.
    """
    figures = {}
    for attack in ATTACKS:
        done = [each for each in results if each.probe.attack == attack and each.after is not None]
        means = {
            accuracy: {side: _mean(getattr(getattr(each, side), accuracy) for each in done) for side in SIDES}
            for accuracy in ("top1", "mean_probability")
        }
        before, after = (means["top1"][side] for side in SIDES)
        recovered = min(1.0, after / before) if before else None
        figures[attack] = {"concepts": len(done), **means, "recovered": recovered}
    return figures


def strongest(figures: Mapping[str, dict]) -> str | None:
    """The attack that shows the concepts most often on the erased model, None when none was carried out."""
    rates = {
        attack: each["top1"]["after"]
        for attack, each in figures.items()
        if attack != NAME and each["top1"]["after"] is not None
    }
    return max(rates, key=lambda attack: rates[attack]) if rates else None


def _paraphrases(concept: Concept, synonyms: Iterable[str]) -> tuple[str, ...]:
    known = {same(phrase) for phrase in concept.phrases}
    names = (*synonyms, *_entry(EVERYDAY[concept.kind], concept))
    names = [name for name in names if same(name) not in known]
    described = _entry(DESCRIPTIONS, concept) if concept.kind == "object" else ()
    indirect = [_filled(template, concept.target) for template in INDIRECT[concept.kind]]
    return tuple(dict.fromkeys((*(_named(concept, name) for name in names), *described, *indirect)))


def _elsewhere(concept: Concept) -> tuple[str, ...]:
    """The words in the concept's plainest prompt, and alone."""
    words = _entry(ELSEWHERE, concept) if concept.kind == "object" else ()
    words = [word for word in words if same(word) not in {same(phrase) for phrase in concept.phrases}]
    return (*(_named(concept, word) for word in words), *words)


def _entry(table: Mapping[str, tuple[str, ...]], concept: Concept) -> tuple[str, ...]:
    return next((table[name] for name in table if same(name) == same(concept.target)), ())


def _named(concept: Concept, name: str) -> str:
    return _filled(DRAWN_WITH[concept.kind], name)


def _filled(template: str, name: str) -> str:
    before, after = template.split("{}")
    if before.endswith((" a ", " the ")) or before in ("a ", "the "):
        name = without_article(name)
        if before.endswith("a ") and name[0].lower() in VOWELS:
            before = before[:-1] + "n "
    return before + name + after


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
