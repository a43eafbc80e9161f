"""The paper's scores for one erased concept (section 5), by the judge."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from dev.bench.plan import Plan, PromptSet
from mace_core.evaluation.metrics import h_o, top1_accuracy

Pictures = Mapping[tuple[str, str], Tensor]  # ("before" or "after", phrase) -> [B, H, W, 3] in 0..1

ROWS = (
    ("acc_e", "Acc_e: the concept is still drawn", "low"),
    ("acc_g", "Acc_g: its synonyms still draw it", "low"),
    ("acc_s", "Acc_s: other concepts are drawn", "high"),
    ("h_o", "H_o: harmonic mean of the three", "high"),
    ("h_o_relative", "H_o, Acc_s relative to before", "high"),
)


@dataclass(frozen=True)
class Scores:
    """Percent. Relative: what the unedited model cannot draw either is not held against the erasure."""

    acc_e: float
    acc_g: float
    acc_s: float
    acc_e_before: float
    acc_g_before: float
    acc_s_before: float
    h_o: float
    h_o_relative: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


def score(judge, plan: Plan, pictures: Pictures) -> Scores:
    """Top-1 among the names of each prompt set, averaged over the sets."""
    accuracies = {side: accuracies_of(judge, plan, pictures, side) for side in ("before", "after")}
    acc_e, acc_g, acc_s = accuracies["after"]
    before_e, before_g, before_s = accuracies["before"]
    relative = min(1.0, acc_s / before_s) if before_s else 0.0
    return Scores(
        *(
            100 * value
            for value in (
                acc_e,
                acc_g,
                acc_s,
                before_e,
                before_g,
                before_s,
                h_o(acc_e, acc_s, acc_g),
                h_o(acc_e, relative, acc_g),
            )
        )
    )


def accuracies_of(judge, plan: Plan, pictures: Pictures, side: str) -> tuple[float, float, float]:
    """How often the judge sees the target, the target in pictures of its synonyms, and each kept concept."""

    def accuracy(drawn: PromptSet) -> float:
        probabilities = judge.probabilities(pictures[side, drawn.phrase], list(drawn.names))
        return top1_accuracy(probabilities, drawn.names.index(drawn.expected))

    return accuracy(plan.target), mean(map(accuracy, plan.synonyms)), mean(map(accuracy, plan.kept))


def mean(values) -> float:
    """0 of nothing: a concept without synonyms has no generality to lose."""
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def table(scores: Scores) -> str:
    """What `make demo` prints."""
    values = scores.as_dict()
    lines = [f"{'in %':<36}{'before':>8}{'after':>8}   better"]
    for name, title, better in ROWS:
        before = values.get(f"{name}_before")
        shown = "" if before is None else f"{before:.1f}"
        lines.append(f"{title:<36}{shown:>8}{values[name]:>8.1f}   {better}")
    return "\n".join(lines)
