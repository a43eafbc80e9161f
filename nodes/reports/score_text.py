"""The scores as text: Markdown tables, which are readable as they are."""

from ...mace_core.evaluation.scores import SIDES, SetScore

ROWS = (
    ("acc_e", "Acc_e: the erased is still seen", "low"),
    ("acc_g", "Acc_g: its synonyms still show it", "low"),
    ("acc_s", "Acc_s: what shall stay is seen", "high"),
    ("h_o", "H_o: harmonic mean of 1 - Acc_e, 1 - Acc_g, Acc_s", "high"),
    ("h_c", "H_c: harmonic mean of 1 - Acc_e, Acc_s", "high"),
)
CLIP = (
    ("clip_e", "CLIP_e: score of the erased", "low"),
    ("clip_s", "CLIP_s: score of what stays", "high"),
    ("h_a", "H_a: CLIP_s - CLIP_e", "high"),
)


def title_of(concepts) -> str:
    """'Erased: ship (sea in its place)'."""
    named = [f"{concept.target} ({concept.surrogate} in its place)" for concept in concepts[:3]]
    more = f" and {len(concepts) - 3} more" if len(concepts) > 3 else ""
    return f"Erased: {', '.join(named)}{more}"


def notes_of(drawing, facts: dict, saved: str, per: str = "prompt") -> list[str]:
    """How the figures came about, in a few lines above them; `per` what there are so many pictures."""
    last = (drawing.seed + drawing.images - 1) % 2**64
    notes = [
        f"{drawing.images} pictures per {per}, seeds {drawing.seed} to {last}, {drawing.steps} steps, "
        f"cfg {drawing.cfg:g}, {drawing.size[0]} x {drawing.size[1]}. "
        f"Judge: {facts['judge']['name']} ({facts['judge']['fingerprint'][:16]}). "
        f"All settings: output/{saved}."
    ]
    if facts["models"]["before"] == facts["models"]["after"]:
        notes.append("Before and after are the same model: connect the erased one to 'after'.")
    return notes


def report(title: str, scores: list[SetScore], figures: dict, notes: list[str]) -> str:
    """Everything on one page: the figures of the paper's tables, then each prompt set."""
    top1, mean = figures["top1"], figures["mean_probability"]
    columns = [accuracy[side] for accuracy in (top1, mean) for side in SIDES]
    rows = [[name, *(percent(column[key]) for column in columns), better] for key, name, better in ROWS]
    rows += [
        [
            f"{key.capitalize()} with Acc_s relative to before",
            "",
            percent(top1["relative"][key]),
            "",
            percent(mean["relative"][key]),
            "high",
        ]
        for key in ("h_o", "h_c")
    ]
    clip = [
        [name, *(_number(figures["clip"][side][key], 2) for side in SIDES), better]
        for key, name, better in CLIP
    ]
    drift = figures["drift"]
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
            f"Drift of what stays: {_number(drift['kept'], 3)} (root mean square over 0..1; two seeds of the "
            f"unedited model are {_number(drift['another_seed'], 3)} apart).",
            "",
            *table(
                ["prompt", "group", "seen as", "top-1 before", "after", "mean before", "after", "drift"],
                [_row(each) for each in scores],
            ),
        )
    )


def _row(score: SetScore) -> list[str]:
    drawn = score.drawn
    group = "synonym, erased along" if drawn.given else drawn.group
    sides = (score.before, score.after)
    return [
        drawn.prompt,
        group,
        drawn.expected or "-",
        *(percent(side.top1) for side in sides),
        *(percent(side.mean_probability) for side in sides),
        _number(score.drift.pixels, 3),
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Columns padded to the same width; all but the first to the right."""
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
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
