"""The steps of Probe Erasure: plan the attacks, carry them out on both models, ask the judge."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ...mace_core.attacks.probes import (
    EMBEDDING,
    LEARNED,
    LORA,
    NAME,
    Probe,
    ProbeResult,
    own_prompts,
    probes,
    recovery,
    shares,
)
from ...mace_core.attacks.relearn import Budget
from ...mace_core.concepts.concepts import Concept
from ...mace_core.evaluation.prompt_sets import ERASED, PromptSet, Vocabulary, prompt_sets
from ...mace_core.evaluation.scores import SIDES
from ...mace_core.files.shown import one_line
from ..host.attacks import with_learned_embedding, with_retrained_lora
from ..host.facts import Facts
from ..host.images import as_bytes
from ..host.progress import TimedProgress
from ..host.sampling import decode
from .scoring import SHOWN, Drawing, Evidence

CARRIED_OUT = {EMBEDDING: with_learned_embedding, LORA: with_retrained_lora}


@dataclass(frozen=True)
class Attacked:
    """The results, and the first few images of each (side, attack), uint8."""

    results: tuple[ProbeResult, ...]
    images: Mapping[tuple[str, Probe], torch.Tensor]


def plan(concepts: Sequence[Concept], vocabulary: Vocabulary, own: str, budget: Budget) -> tuple[Probe, ...]:
    """All attacks on all concepts, concept by concept. own: the user's prompts."""
    theirs = own_prompts(own, concepts)
    return tuple(
        probe
        for concept in concepts
        for probe in probes(
            concept, vocabulary.synonyms_of(concept), theirs[concept.target], budget.steps, budget.seed
        )
    )


def work_of(planned: Sequence[Probe], drawing: Drawing, budget: Budget) -> int:
    """The number of steps that progress counts: sampling steps of images, and optimisation steps."""
    done = [probe for probe in planned if probe.prompts]
    learned = sum(probe.attack in LEARNED for probe in done)
    return len(SIDES) * (len(done) * drawing.images * drawing.steps + learned * budget.steps)


def carry_out(
    evidence: Evidence, planned: Sequence[Probe], budget: Budget, progress: TimedProgress
) -> Attacked:
    """Carry out the attacks on both models, and ask the judge.

    An attack that learns does so against the model it is tried on, from images of the original model.
    """
    drawing, judge = evidence.drawing, evidence.judge
    questions = _questions(planned, judge.vocabulary)
    attacker = Attacker(evidence.encoder, drawing, budget, progress)
    verdicts, losses, shown = {}, {}, {}
    for side, model in evidence.sides:
        for probe in (each for each in planned if each.prompts):
            latents, learning = attacker.attack(side, model, probe)
            images = decode(evidence.vae, latents)
            verdicts[side, probe] = judge.verdict(questions[probe.concept.target], images)
            losses.setdefault(probe, {})[side] = tuple(learning)
            shown[side, probe] = as_bytes(images[:SHOWN])
    results = tuple(
        ProbeResult(
            probe,
            shares(probe.prompts, drawing.images, drawing.seed) if probe.prompts else {},
            *(verdicts.get((side, probe)) for side in SIDES),
            losses.get(probe, {}) if probe.attack in LEARNED else {},
        )
        for probe in planned
    )
    return Attacked(results, shown)


def _questions(planned: Sequence[Probe], vocabulary: Vocabulary) -> dict[str, PromptSet]:
    """Target -> the judge's question, that of Score Erasure whatever the attack's prompts."""
    concepts = tuple(dict.fromkeys(probe.concept for probe in planned))
    sets = prompt_sets(concepts, concepts, (), (), vocabulary)
    return {each.phrase: each for each in sets if each.group == ERASED}


class Attacker:
    """Carries out attacks on one model after the other; remembers each concept's images of the first."""

    def __init__(self, encoder, drawing: Drawing, budget: Budget, progress):
        self._encoder, self._drawing, self._budget, self._progress = encoder, drawing, budget, progress
        self._negative = encoder.conditioning("")
        self._known: dict[Concept, torch.Tensor] = {}  # latents

    def attack(self, side: str, model, probe: Probe) -> tuple[torch.Tensor, list[float]]:
        """Latents of the attack's images, and the losses of an attack that learned."""
        label, losses = f"{one_line(probe.concept.target)}, {probe.attack}, {side}", []
        parts = shares(probe.prompts, self._drawing.images, self._drawing.seed)
        texts = [(self._encoder.conditioning(prompt), count) for prompt, count in parts.items()]
        if probe.attack in LEARNED:
            model, conditioning, losses = CARRIED_OUT[probe.attack](
                model,
                self._encoder,
                probe.concept,
                self._known[probe.concept],
                self._budget,
                lambda *_: self._progress.step(f"{label}, learning"),
            )
            texts = [(conditioning, self._drawing.images)]
        latents = self._draw(model, texts, label)
        if probe.attack == NAME:
            self._known.setdefault(probe.concept, latents)
        return latents, losses

    def _draw(self, model, texts: Sequence[tuple[list, int]], label: str) -> torch.Tensor:
        drawn, start = [], 0
        for conditioning, count in texts:
            drawn.append(
                self._drawing.latents(
                    model,
                    conditioning,
                    self._negative,
                    count,
                    start,
                    lambda done: self._progress.step(label, done),
                )
            )
            start += count
        return torch.cat(drawn)


def as_json(
    concepts: Sequence[Concept],
    results: Sequence[ProbeResult],
    drawing: Drawing,
    budget: Budget,
    facts: Facts,
) -> str:
    """The figures and everything needed to reproduce them; fractions in 0..1, null if not measured."""
    settings = drawing.to_json() | {
        "budget": budget.to_json(),
        "concepts": [concept.to_json() for concept in concepts],
    }
    attacks = [
        {
            "attack": each.probe.attack,
            "concept": each.probe.concept.target,
            "why_not": each.probe.why,
            "prompts": dict(each.shares),
            "before": each.before and each.before.to_json(),
            "after": each.after and each.after.to_json(),
            "losses": dict(each.losses),
        }
        for each in results
    ]
    figures = {attack: each.to_json() for attack, each in recovery(results).items()}
    record = facts.to_json() | {"settings": settings, "recovery": figures, "attacks": attacks}
    return json.dumps(record, indent=2) + "\n"
