"""The scores as Markdown tables, which are also readable as plain text."""

from collections.abc import Sequence

from ...mace_core.concepts.concepts import Concept
from ...mace_core.evaluation.prompt_sets import KEPT, NEVER
from ...mace_core.evaluation.scores import SIDES, NeverNamed, SetScore, Summary
from ...mace_core.refinement.prior import Prior
from ..host.facts import Facts
from ..work.scoring import Drawing

ROWS = (
    ("never", "Never named: concepts recognised", "high"),
    ("acc_e", "Acc_e: erased concepts recognised", "low"),
    ("acc_g", "Acc_g: erased concepts recognised, by synonyms", "low"),
    ("acc_s", "Acc_s: preserved concepts recognised", "high"),
    ("h_o", "H_o: harmonic mean of 1 - Acc_e, 1 - Acc_g, Acc_s", "high"),
    ("h_c", "H_c: harmonic mean of 1 - Acc_e, Acc_s", "high"),
)
CLIP = (
    ("clip_e", "CLIP_e: score of erased concepts", "low"),
    ("clip_s", "CLIP_s: score of preserved concepts", "high"),
    ("h_a", "H_a: CLIP_s - CLIP_e", "high"),
)

GROUPS = {KEPT: "preserved"}


def title_of(concepts: Sequence[Concept]) -> str:
    """'Erased: ship -> sea'."""
    named = [f"{concept.target} -> {concept.surrogate}" for concept in concepts[:3]]
    more = f" and {len(concepts) - 3} more" if len(concepts) > 3 else ""
    return f"Erased: {', '.join(named)}{more}"


def notes_of(drawing: Drawing, facts: Facts, saved: str, per: str = "prompt") -> list[str]:
    """The settings of the figures, in a few lines. saved: where all of them are, as a sentence; per: what
    the number of images belongs to."""
    last = (drawing.seed + drawing.images - 1) % 2**64
    width, height = drawing.size
    notes = [
        f"{drawing.images} images per {per}, seeds {drawing.seed} to {last}, {drawing.steps} steps, "
        f"cfg {drawing.cfg:g}, {width} x {height}. "
        f"Judge: {facts.judge.name} ({facts.judge.fingerprint[:16]}). {saved}"
    ]
    if facts.same_model:
        notes.append("'before' and 'after' are the same model: connect the erased MODEL to 'after'.")
    return notes


def report(title: str, scores: Sequence[SetScore], figures: Summary, notes: Sequence[str]) -> str:
    """The figures of the paper's tables, then each prompt."""
    columns = [
        getattr(accuracy, side) for accuracy in (figures.top1, figures.mean_probability) for side in SIDES
    ]
    rows = [
        [name, *(percent(getattr(column, key)) for column in columns), better] for key, name, better in ROWS
    ]
    rows.insert(1, _never_named(figures))
    rows += [
        [
            f"{key.capitalize()} with Acc_s relative to before",
            "",
            percent(getattr(figures.top1.relative, key)),
            "",
            percent(getattr(figures.mean_probability.relative, key)),
            "high",
        ]
        for key in ("h_o", "h_c")
    ]
    clip = [
        [name, *(_number(getattr(getattr(figures.clip, side), key), 2) for side in SIDES), better]
        for key, name, better in CLIP
    ]
    drift = figures.drift
    return "\n".join(
        (
            f"## {title}",
            "",
            *notes,
            "",
            *table(["in %", "top-1 before", "after", "mean probability before", "after", "better"], rows),
            "",
            *table(["CLIP score", "before", "after", "better"], clip),
            "",
            f"Drift of preserved prompts: {_number(drift.kept, 3)} (root mean square, pixels in 0..1; "
            f"two seeds of the original model are {_number(drift.another_seed, 3)} apart).",
            "",
            *table(
                [
                    "prompt",
                    "group",
                    "recognised as",
                    "top-1 before",
                    "after",
                    "mean before",
                    "after",
                    "drift",
                ],
                [_row(each) for each in scores],
            ),
        )
    )


def _never_named(figures: Summary) -> list[str]:
    found = [accuracy.never_named for accuracy in (figures.top1, figures.mean_probability)]
    top1, probability = ("-" if each is None else share_of_before(each) for each in found)
    return ["Never named, share of before", "", top1, "", probability, "high"]


def share_of_before(never: NeverNamed) -> str:
    """A share in percent, with one standard error if there is one."""
    error = "" if never.error is None else f" \u00b1 {100 * never.error:.1f}"
    return f"{100 * never.share:.1f}{error}"


def never_named_note(scores: Sequence[SetScore], prior: Prior | None) -> str:
    """Where the concepts that nobody names come from, and what is not known about them."""
    sets = [score.prompt_set for score in scores if score.prompt_set.group == NEVER]
    if not sets:
        return "No concept was scored that nobody names: connect a list to 'never_named'."
    if not sets[0].sampled:
        many = f"{len(sets)} concepts" if len(sets) > 1 else "one concept"
        return f"Never named: the {many} of your list."
    said = (
        f"Never named: {len(sets)} of the judge's names, the same in each run, a quarter of the images each."
    )
    if prior is None:
        return f"{said} Connect 'prior', so that none of them is in it."
    if prior.captions > len(prior.texts):
        known = f"{len(prior.texts)} of the prior's {prior.captions} captions"
        return f"{said} Only {known} are known here: the others can name more of them."
    return f"{said} None is in the prior."


def _row(score: SetScore) -> list[str]:
    prompt_set = score.prompt_set
    sides = (score.before, score.after)
    return [
        prompt_set.prompt,
        "synonym, also erased" if prompt_set.given else GROUPS.get(prompt_set.group, prompt_set.group),
        prompt_set.expected or "-",
        *(percent(side.top1) for side in sides),
        *(percent(side.mean_probability) for side in sides),
        _number(score.drift.pixels, 3),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, with padded columns; all but the first are aligned to the right."""
    rows = [[cell.replace("|", "/") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (head, *rows)
    ]
    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]


def percent(value: float | None) -> str:
    """A fraction as percent with one digit; '-' for None."""
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
