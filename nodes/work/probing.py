"""What ProbeErasure does, step by step: plan the attacks, carry them out on both models, ask the judge."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

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
from ...mace_core.evaluation.prompt_sets import PromptSet, prompt_sets
from ...mace_core.evaluation.scores import SIDES
from ..host.attacks import with_learned_embedding, with_retrained_lora
from ..host.images import as_bytes
from ..host.sampling import decode, draw_latents
from .scoring import SHOWN, Drawing

CARRIED_OUT = {EMBEDDING: with_learned_embedding, LORA: with_retrained_lora}


@dataclass(frozen=True)
class Attacked:
    results: tuple[ProbeResult, ...]
    pictures: Mapping[tuple[str, Probe], torch.Tensor]  # (side, attack) -> the first few, uint8


def plan(concepts, vocabulary, own: str, budget: Budget) -> tuple[Probe, ...]:
    """All attacks on all concepts, concept after concept."""
    theirs = own_prompts(own, concepts)
    return tuple(
        probe
        for concept in concepts
        for probe in probes(
            concept, vocabulary.synonyms_of(concept), theirs[concept.target], budget.steps, budget.seed
        )
    )


def work_of(planned, drawing: Drawing, budget: Budget) -> int:
    """How many steps the progress counts: of sampling a picture, of learning."""
    done = [probe for probe in planned if probe.prompts]
    learned = sum(probe.attack in LEARNED for probe in done)
    return len(SIDES) * (len(done) * drawing.images * drawing.steps + learned * budget.steps)


def carry_out(models, encoder, vae, judge, planned, drawing: Drawing, budget: Budget, progress) -> Attacked:
    """models: before and after. One after the other, so that weights move once; what an attack learns, it
    learns against the model it is tried on, from pictures that the one before drew."""
    questions = _questions(planned, judge.vocabulary)
    attacker = Attacker(encoder, drawing, budget, progress)
    verdicts, losses, shown = {}, {}, {}
    for side, model in zip(SIDES, models, strict=True):
        for probe in (each for each in planned if each.prompts):
            latents, learning = attacker.attack(side, model, probe)
            pictures = decode(vae, latents)
            verdicts[side, probe] = judge.verdict(questions[probe.concept.target], pictures)
            losses.setdefault(probe, {})[side] = tuple(learning)
            shown[side, probe] = as_bytes(pictures[:SHOWN])
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


def _questions(planned, vocabulary) -> dict[str, PromptSet]:
    """Target -> what the judge is asked, whatever the attack's prompts: the question of Score Erasure."""
    concepts = tuple(dict.fromkeys(probe.concept for probe in planned))
    sets = prompt_sets(concepts, concepts, (), (), vocabulary)
    return {each.phrase: each for each in sets if each.group == "erased"}


class Attacker:
    """Carries attacks out on one model after the other; keeps the concepts' pictures by the first."""

    def __init__(self, encoder, drawing: Drawing, budget: Budget, progress):
        self._encoder, self._drawing, self._budget, self._progress = encoder, drawing, budget, progress
        self._negative = encoder.conditioning("")
        self._known: dict = {}  # concept -> latents

    def attack(self, side: str, model, probe: Probe) -> tuple[torch.Tensor, list[float]]:
        """Latents of the attack's pictures, and the losses of an attack that learned."""
        label, losses = f"{probe.concept.target}, {probe.attack}, {side}", []
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

    def _draw(self, model, texts, label: str) -> torch.Tensor:
        drawing, drawn, start = self._drawing, [], 0
        for conditioning, count in texts:
            drawn.append(
                draw_latents(
                    model,
                    conditioning,
                    self._negative,
                    count,
                    drawing.size,
                    drawing.steps,
                    drawing.cfg,
                    (drawing.seed + start) % 2**64,
                    lambda done: self._progress.step(label, done),
                )
            )
            start += count
        return torch.cat(drawn)


def as_json(concepts, results, drawing: Drawing, budget: Budget, facts: dict) -> str:
    """All that is needed to get the same figures; fractions in 0..1, null where nothing was measured."""
    settings = asdict(drawing) | {"budget": asdict(budget), "concepts": [asdict(each) for each in concepts]}
    attacks = [
        {
            "attack": each.probe.attack,
            "concept": each.probe.concept.target,
            "why_not": each.probe.why,
            "prompts": dict(each.shares),
            "before": each.before and asdict(each.before),
            "after": each.after and asdict(each.after),
            "losses": dict(each.losses),
        }
        for each in results
    ]
    return (
        json.dumps(
            {**facts, "settings": settings, "recovery": recovery(results), "attacks": attacks}, indent=2
        )
        + "\n"
    )
