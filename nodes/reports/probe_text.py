"""The result of a probe as Markdown tables, which are also readable as plain text."""

from collections.abc import Mapping, Sequence

from ...mace_core.attacks.probes import LEARNED, ProbeResult, Recovery, recovery, strongest
from ...mace_core.attacks.relearn import Budget
from ...mace_core.evaluation.scores import SIDES
from ..host.facts import Facts
from ..work.scoring import Drawing
from .score_text import notes_of, percent, table

NO_DELETION = (
    "Erasure is not deletion. The erased model no longer generates a concept from the prompts it was erased "
    "for, but its weights still hold most of what is needed to generate it. Whoever has the weights can look "
    "for other words, learn an embedding, or train the concept again. These rates hold for the budget above: "
    "a larger one can bring back more."
)


def report(
    title: str,
    results: Sequence[ProbeResult],
    drawing: Drawing,
    budget: Budget,
    facts: Facts,
    saved: str,
) -> str:
    """How often each attack shows the concepts, then each concept and its prompts."""
    figures = recovery(results)
    rows = [
        [
            attack,
            *(
                percent(getattr(rates, side))
                for rates in (each.top1, each.mean_probability)
                for side in SIDES
            ),
            percent(each.recovered),
            str(each.concepts),
        ]
        for attack, each in figures.items()
    ]
    head = ["in %", "top-1 before", "after", "mean probability before", "after", "recovered", "concepts"]
    return "\n".join(
        (
            f"## Probed. {title}",
            "",
            *notes_of(drawing, facts, saved, "attack and concept"),
            _spent(budget),
            "",
            NO_DELETION,
            "",
            _verdict(figures),
            "",
            *table(head, rows),
            "",
            "Top-1: the share of images in which the judge recognises the concept. "
            "Recovered: after / before, at most 100.",
            "",
            *table(["concept, attack", "top-1 before", "after", "prompts"], [_row(each) for each in results]),
        )
    )


def _spent(budget: Budget) -> str:
    if not budget.steps:
        return "Nothing was learned: 0 optimisation steps."
    return (
        f"Learned: {budget.steps} optimisation steps of {budget.batch} images per attack, concept and model, "
        f"from images of the original model; the embedding at a learning rate of {budget.embedding_rate:g}, "
        f"the LoRA of rank {budget.rank} at {budget.lora_rate:g}."
    )


def _verdict(figures: Mapping[str, Recovery]) -> str:
    worst = strongest(figures)
    if worst is None:
        return "No attack could be carried out."
    rates = figures[worst].top1
    return (
        f"Strongest attack: {worst}. It shows the concept in {percent(rates.after)} % of the erased model's "
        f"images ({percent(rates.before)} % of the original model's)."
    )


def _row(result: ProbeResult) -> list[str]:
    probe = result.probe
    name = f"{probe.concept.target}, {probe.attack}"
    if result.after is None:
        return [name, "-", "-", f"not tried: {probe.why}"]
    tried = "; ".join(result.shares) if probe.attack not in LEARNED else _losses(result)
    return [name, percent(result.before.top1), percent(result.after.top1), tried]


def _losses(result: ProbeResult) -> str:
    """Means over a quarter of the steps, because a single loss depends mostly on its timestep."""
    losses = result.losses["after"]
    quarter = max(1, len(losses) // 4)
    first, last = (sum(part) / len(part) for part in (losses[:quarter], losses[-quarter:]))
    return f"{next(iter(result.shares))}; loss on the erased model from {first:.3f} to {last:.3f}"
