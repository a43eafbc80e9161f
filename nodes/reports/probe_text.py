"""What a probe found, as text: Markdown tables, which are readable as they are."""

from ...mace_core.attacks.probes import LEARNED, ProbeResult, recovery, strongest
from ...mace_core.attacks.relearn import Budget
from ...mace_core.evaluation.scores import SIDES
from .score_text import notes_of, percent, table

NO_DELETION = (
    "Erasure is not deletion. The erased model no longer draws a concept when it is asked in the ways it was "
    "erased for; its weights still hold most of what drawing it takes. Whoever has the weights can look for "
    "other words, learn a vector, or train the concept in again. These rates hold for the budget above: a "
    "larger one may bring back more."
)


def report(title: str, results, drawing, budget: Budget, facts: dict, saved: str) -> str:
    """Everything on one page: how often each attack shows the concepts, then each concept and its prompts."""
    figures = recovery(results)
    rows = [
        [
            attack,
            *(percent(each[accuracy][side]) for accuracy in ("top1", "mean_probability") for side in SIDES),
            percent(each["recovered"]),
            str(each["concepts"]),
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
            "Top-1: the share of pictures in which the judge sees the concept first. "
            "Recovered: after / before.",
            "",
            *table(
                ["concept, attack", "top-1 before", "after", "what was tried"],
                [_row(each) for each in results],
            ),
        )
    )


def _spent(budget: Budget) -> str:
    if not budget.steps:
        return "Nothing was learned: 0 optimisation steps."
    return (
        f"Learned: {budget.steps} optimisation steps of {budget.batch} pictures, per attack, concept and "
        f"model, from what the unedited model drew; the embedding at a learning rate of "
        f"{budget.embedding_rate:g}, the LoRA of rank {budget.rank} at {budget.lora_rate:g}."
    )


def _verdict(figures: dict) -> str:
    worst = strongest(figures)
    if worst is None:
        return "No attack could be carried out."
    before, after = (percent(figures[worst]["top1"][side]) for side in SIDES)
    return (
        f"Strongest attack: {worst}, which shows the concept in {after} % of the erased model's pictures "
        f"({before} % of the unedited model's)."
    )


def _row(result: ProbeResult) -> list[str]:
    probe = result.probe
    name = f"{probe.concept.target}, {probe.attack}"
    if result.after is None:
        return [name, "-", "-", f"not tried: {probe.why}"]
    tried = "; ".join(result.shares) if probe.attack not in LEARNED else _losses(result)
    return [name, percent(result.before.top1), percent(result.after.top1), tried]


def _losses(result: ProbeResult) -> str:
    """A single step's loss depends on its timestep more than on what was learned: means of quarters."""
    losses = result.losses["after"]
    quarter = max(1, len(losses) // 4)
    first, last = (sum(part) / len(part) for part in (losses[:quarter], losses[-quarter:]))
    return f"{next(iter(result.shares))}; loss on the erased model from {first:.3f} to {last:.3f}"
