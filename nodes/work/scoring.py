"""What ScoreErasure does, step by step: choose the prompts, draw them with both models, ask the judge."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from ...mace_core.concepts.concepts import with_synonyms
from ...mace_core.encoder.similarity import similarities
from ...mace_core.evaluation.prompt_sets import (
    LITERAL,
    Keep,
    PromptSet,
    choose_kept,
    known_names,
    parse_keep,
    prompt_sets,
)
from ...mace_core.evaluation.scores import SIDES, SetScore, drift, summary
from ..host.images import as_bytes
from ..host.sampling import decode, draw_latents

SHOWN = 4  # pictures kept for each cell of a report


@dataclass(frozen=True)
class Drawing:
    """How pictures are drawn; picture i of every prompt has the seed ``seed`` + i."""

    images: int
    seed: int
    steps: int
    cfg: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Scored:
    scores: list[SetScore]
    pictures: dict[tuple[str, PromptSet], torch.Tensor]  # (side, prompt set) -> the first few, uint8


def choose_prompts(encoder, vocabulary, concepts, keep: str, synonyms: str) -> tuple[PromptSet, ...]:
    """The user's lists where there are some, otherwise what the judge's vocabulary knows."""
    tested = (
        with_synonyms(concepts, synonyms)
        if synonyms.strip()
        else tuple(
            replace(each, synonyms=tuple(dict.fromkeys((*each.synonyms, *vocabulary.synonyms_of(each)))))
            for each in concepts
        )
    )
    chosen: Sequence[Keep] = parse_keep(keep, tested, vocabulary)
    if chosen:
        near = _nearness(encoder, concepts, chosen)
    else:
        known = known_names(tested, vocabulary)
        near = dict(zip(known, _nearness(encoder, concepts, known), strict=True))
        chosen = choose_kept(known, list(near.values()), concepts)
        near = [near[each] for each in chosen]
    return prompt_sets(concepts, tested, chosen, near, vocabulary)


def draw_and_judge(models, encoder, vae, judge, sets, drawing: Drawing, progress) -> Scored:
    """models: before and after. One model after the other, so that weights move once."""
    negative = encoder.conditioning("")
    verdicts, drawn, drifts = {}, {}, {}
    for side, model in zip(SIDES, models, strict=True):
        for each in sets:
            label = f"{each.phrase}, {side}"
            latents = draw_latents(
                model,
                encoder.conditioning(each.prompt),
                negative,
                drawing.images,
                drawing.size,
                drawing.steps,
                drawing.cfg,
                drawing.seed,
                lambda count, label=label: progress.step(label, count),
            )
            pictures = decode(vae, latents)
            verdicts[side, each] = judge.verdict(each, pictures)
            drawn[side, each] = as_bytes(pictures)
            if side == SIDES[1]:
                before, after = (drawn[both, each].float() / 255 for both in SIDES)
                drifts[each] = drift(before, after)
                for both in SIDES:
                    drawn[both, each] = drawn[both, each][:SHOWN].clone()
    scores = [SetScore(each, *(verdicts[side, each] for side in SIDES), drifts[each]) for each in sets]
    return Scored(scores, drawn)


def as_json(concepts, scores: Sequence[SetScore], drawing: Drawing, facts: dict) -> str:
    """All that is needed to get the same figures; fractions in 0..1, null where nothing was measured."""
    settings = asdict(drawing) | {
        "seeds": [(drawing.seed + number) % 2**64 for number in range(drawing.images)],
        "concepts": [asdict(each) for each in concepts],
    }
    questions = []
    for each in scores:
        if each.drawn.answers and dict(each.drawn.answers) not in questions:
            questions.append(dict(each.drawn.answers))
    prompts = [
        {
            **_described(each.drawn, questions),
            "before": asdict(each.before),
            "after": asdict(each.after),
            "drift": asdict(each.drift),
        }
        for each in scores
    ]
    return (
        json.dumps(
            {
                **facts,
                "settings": settings,
                "scores": summary(scores),
                "prompts": prompts,
                "questions": questions,
            },
            indent=2,
        )
        + "\n"
    )


def _described(drawn: PromptSet, questions: list[dict]) -> dict:
    names = ("group", "phrase", "prompt", "kind", "expected", "given")
    described = {name: getattr(drawn, name) for name in names}
    return described | {"question": questions.index(dict(drawn.answers)) if drawn.answers else None}


def _nearness(encoder, concepts, keep: Sequence[Keep]) -> list[float]:
    """Of each the greatest similarity to a target; whole prompts are near to nothing."""
    names = [each.phrase for each in keep if each.kind != LITERAL]
    if not names:
        return [-1.0] * len(keep)
    nearest = similarities(encoder, [each.target for each in concepts], names).amax(0).tolist()
    near = dict(zip(names, nearest, strict=True))
    return [-1.0 if each.kind == LITERAL else near[each.phrase] for each in keep]
