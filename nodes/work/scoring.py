"""The steps of Score Erasure: choose the prompts, generate images with both models, ask the judge."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ...mace_core.concepts.concepts import Concept, with_synonyms
from ...mace_core.encoder.similarity import similarities
from ...mace_core.evaluation.never_named import DRAWN, Named, drawn, listed
from ...mace_core.evaluation.prompt_sets import (
    LITERAL,
    Keep,
    PromptSet,
    choose_kept,
    known_names,
    parse_keep,
    prompt_sets,
)
from ...mace_core.evaluation.scores import SIDES, SetScore, Summary, drift
from ...mace_core.files.records import Record
from ...mace_core.files.shown import one_line
from ...mace_core.refinement.prior import Prior
from ..host.facts import Facts, facts_of
from ..host.images import as_bytes
from ..host.judge import HostJudge
from ..host.patch import cross_attention_layers
from ..host.progress import TimedProgress
from ..host.sampling import check_vae, decode, draw_latents, size_of
from ..host.text_encoder import HostTextEncoder

SHOWN = 4  # images per cell of a report


@dataclass(frozen=True)
class Drawing(Record):
    """How images are generated; image i of every prompt has the seed ``seed`` + i. size: width, height."""

    images: int
    seed: int
    steps: int
    cfg: float
    size: tuple[int, ...]

    def latents(self, model, positive, negative, count: int, start: int, on_step) -> torch.Tensor:
        """Latents of ``count`` images from the image number ``start`` on."""
        seed = (self.seed + start) % 2**64
        return draw_latents(model, positive, negative, count, self.size, self.steps, self.cfg, seed, on_step)


@dataclass(frozen=True)
class Evidence:
    """What scoring and probing work with: the models before and after, the judge, and how images are made."""

    before: object
    after: object
    encoder: HostTextEncoder
    vae: object
    judge: HostJudge
    drawing: Drawing
    started: float

    @property
    def sides(self) -> list[tuple[str, object]]:
        """(side, model): before and after, used one after the other so that weights move once."""
        return list(zip(SIDES, (self.before, self.after), strict=True))

    @property
    def facts(self) -> Facts:
        """The facts of the run up to now."""
        seconds = time.monotonic() - self.started
        return facts_of(self.judge, self.before, self.after, self.encoder, seconds)


def evidence_of(
    before, after, clip, vae, latent: dict, judge: str, images: int, seed: int, steps: int, cfg: float
) -> Evidence:
    """The Evidence of a node's inputs. Raises ValueError for what does not fit together, before any work."""
    started = time.monotonic()
    cross_attention_layers(after)
    check_vae(vae)
    opened = HostJudge(judge, before)
    drawing = Drawing(images, seed, steps, cfg, size_of(latent))
    return Evidence(before, after, HostTextEncoder(clip), vae, opened, drawing, started)


@dataclass(frozen=True)
class Scored:
    """The scores, and the first few images of each (side, prompt set), uint8."""

    scores: list[SetScore]
    images: dict[tuple[str, PromptSet], torch.Tensor]


@dataclass(frozen=True)
class Lists:
    """What the user lists: concepts to preserve, synonyms, concepts that nobody names (None: draw them), and
    the prior that the erasure was made with, if it is connected."""

    keep: str
    synonyms: str
    never: str | None = None
    prior: Prior | None = None


def choose_prompts(evidence: Evidence, concepts: tuple[Concept, ...], lists: Lists) -> tuple[PromptSet, ...]:
    """The prompt sets from the user's lists, or from the judge's vocabulary where a list is empty."""
    encoder, vocabulary = evidence.encoder, evidence.judge.vocabulary
    if lists.synonyms.strip():
        tested = with_synonyms(concepts, lists.synonyms)
    else:
        tested = tuple(
            replace(each, synonyms=tuple(dict.fromkeys((*each.synonyms, *vocabulary.synonyms_of(each)))))
            for each in concepts
        )
    chosen: Sequence[Keep] = parse_keep(lists.keep, tested, vocabulary)
    if chosen:
        near = _nearness(encoder, concepts, chosen)
    else:
        known = known_names(tested, vocabulary)
        nearness = dict(zip(known, _nearness(encoder, concepts, known), strict=True))
        chosen = choose_kept(known, list(nearness.values()), concepts)
        near = [nearness[each] for each in chosen]
    named = Named(chosen, lists.prior.texts if lists.prior else ())
    if lists.never is None:
        never = drawn(DRAWN, tested, named, vocabulary)
    else:
        never = listed(lists.never, tested, named, vocabulary)
    return prompt_sets(concepts, tested, chosen, near, vocabulary, never, sampled=lists.never is None)


def work_of(sets: Sequence[PromptSet], drawing: Drawing) -> int:
    """The number of sampling steps that progress counts."""
    return len(SIDES) * sum(each.images_of(drawing.images) for each in sets) * drawing.steps


def draw_and_judge(evidence: Evidence, sets: Sequence[PromptSet], progress: TimedProgress) -> Scored:
    """Generate the images of the prompt sets with both models, and ask the judge."""
    encoder, drawing = evidence.encoder, evidence.drawing
    negative = encoder.conditioning("")
    verdicts, images, drifts = {}, {}, {}
    for side, model in evidence.sides:
        for each in sets:
            label = f"{one_line(each.phrase)}, {side}"
            latents = drawing.latents(
                model,
                encoder.conditioning(each.prompt),
                negative,
                each.images_of(drawing.images),
                0,
                lambda count, label=label: progress.step(label, count),
            )
            decoded = decode(evidence.vae, latents)
            verdicts[side, each] = evidence.judge.verdict(each, decoded)
            images[side, each] = as_bytes(decoded)
            if side == SIDES[1]:
                before, after = (images[both, each].float() / 255 for both in SIDES)
                drifts[each] = drift(before, after)
                for both in SIDES:
                    images[both, each] = images[both, each][:SHOWN].clone()
    scores = [SetScore(each, *(verdicts[side, each] for side in SIDES), drifts[each]) for each in sets]
    return Scored(scores, images)


def as_json(
    concepts: Sequence[Concept], scores: Sequence[SetScore], figures: Summary, drawing: Drawing, facts: Facts
) -> str:
    """The figures and everything needed to reproduce them; fractions in 0..1, null if not measured."""
    settings = drawing.to_json() | {
        "seeds": [(drawing.seed + number) % 2**64 for number in range(drawing.images)],
        "concepts": [concept.to_json() for concept in concepts],
    }
    asked = [dict(score.prompt_set.answers) for score in scores if score.prompt_set.answers]
    questions = [answers for number, answers in enumerate(asked) if answers not in asked[:number]]
    prompts = [
        {
            **_described(score.prompt_set, questions),
            "images": score.prompt_set.images_of(drawing.images),
            "before": score.before.to_json(),
            "after": score.after.to_json(),
            "drift": score.drift.to_json(),
        }
        for score in scores
    ]
    record = facts.to_json() | {
        "settings": settings,
        "scores": figures.to_json(),
        "prompts": prompts,
        "questions": questions,
    }
    return json.dumps(record, indent=2) + "\n"


def _described(prompt_set: PromptSet, questions: list[dict]) -> dict:
    names = ("group", "phrase", "prompt", "kind", "expected", "given")
    described = {name: getattr(prompt_set, name) for name in names}
    answers = dict(prompt_set.answers)
    return described | {"question": questions.index(answers) if answers else None}


def _nearness(encoder, concepts: Sequence[Concept], keep: Sequence[Keep]) -> list[float]:
    """For each of ``keep``, its greatest similarity to a target; -1 for literal prompts."""
    names = [each.phrase for each in keep if each.kind != LITERAL]
    if not names:
        return [-1.0] * len(keep)
    nearest = similarities(encoder, [each.target for each in concepts], names).amax(0).tolist()
    near = dict(zip(names, nearest, strict=True))
    return [-1.0 if each.kind == LITERAL else near[each.phrase] for each in keep]
