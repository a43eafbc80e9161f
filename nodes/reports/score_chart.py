"""The scores as a chart: the paper's figures at the top, then every prompt before and after."""

from PIL import Image

from ...mace_core.evaluation.scores import SetScore, Summary
from .canvas import GONE, INK, LINE, SOFT, STAYS, canvas, font, shortened

FINE = 2  # the chart is drawn at this scale and reduced, for smooth circles
WIDTH, MARGIN, LABEL, ROW, HEADING = 900, 32, 210, 26, 44
FIGURES = 164  # height of the band at the top
DOT = 7
MOST = 12  # rows per group
GROUPS = (
    ("erased", "Erased concepts: low is good", GONE),
    ("synonym", "Synonyms of erased concepts: low is good", GONE),
    ("neighbour", "Preserved neighbours: high is good", STAYS),
    ("kept", "Other preserved concepts: high is good", STAYS),
    ("never named", "Never named: high is good", STAYS),
)


def draw_chart(title: str, scores: list[SetScore], figures: Summary) -> Image.Image:
    """The top-1 accuracies of a score and its summary, in percent."""
    groups = [(heading, colour, *_rows(scores, group)) for group, heading, colour in GROUPS]
    groups = [each for each in groups if each[2]]
    height = FIGURES + sum(HEADING + ROW * len(rows) for _, _, rows, _ in groups) + 70
    sheet, pen = canvas(FINE * WIDTH, FINE * (height + MARGIN))
    pen = _Scaled(pen)
    pen.text((MARGIN, 22), shortened(title, 22, WIDTH - 2 * MARGIN), INK, 22)
    _figures(pen, figures)
    y = FIGURES
    top = y + HEADING - 8
    for heading, colour, rows, left_out in groups:
        more = f" (the {len(rows)} of {len(rows) + left_out} that changed most)" if left_out else ""
        pen.text((MARGIN, y + 16), heading + more, colour, 16)
        y += HEADING
        for each in rows:
            _row(pen, each, y, colour)
            y += ROW
    _axis(pen, top, y)
    return sheet.resize((WIDTH, sheet.height // FINE), Image.Resampling.LANCZOS)


class _Scaled:
    """A pen that measures in pixels of the finished chart."""

    def __init__(self, pen):
        self._pen = pen

    def text(self, place, text, colour, size, anchor="la") -> None:
        self._pen.text([FINE * each for each in place], text, colour, font(FINE * size), anchor=anchor)

    def line(self, places, colour, width=1) -> None:
        self._pen.line([FINE * each for each in places], colour, FINE * width)

    def dot(self, x, y, colour, filled) -> None:
        box = [FINE * each for each in (x - DOT, y - DOT, x + DOT, y + DOT)]
        self._pen.ellipse(box, colour if filled else "#ffffff", colour, 0 if filled else 2 * FINE)


def _rows(scores, group) -> tuple[list[SetScore], int]:
    members = [each for each in scores if each.prompt_set.group == group and each.before.top1 is not None]
    if len(members) > MOST:
        most = sorted(members, key=lambda each: -abs(each.after.top1 - each.before.top1))[:MOST]
        members, left_out = [each for each in members if each in most], len(members) - MOST
        return members, left_out
    return members, 0


def _figures(pen, figures: Summary) -> None:
    before, after, relative = figures.top1.before, figures.top1.after, figures.top1.relative
    name = "h_c" if after.h_o is None else "h_o"
    never = figures.top1.never_named
    shown = [
        (
            "Never named",
            before.never,
            None if never is None else never.share,
            "-" if never is None else f"\u00b1 {_percent(never.error)}: share of before",
            STAYS,
        ),
        ("Acc_e", before.acc_e, after.acc_e, "erased: low is good", GONE),
        ("Acc_g", before.acc_g, after.acc_g, "synonyms: low is good", GONE),
        ("Acc_s", before.acc_s, after.acc_s, "preserved: high is good", STAYS),
        (
            name.capitalize(),
            None,
            getattr(after, name),
            f"relative to before: {_percent(getattr(relative, name))}",
            INK,
        ),
    ]
    step = (WIDTH - 2 * MARGIN) / len(shown)
    for place, (name, was, value, note, colour) in enumerate(shown):
        x = MARGIN + place * step
        pen.text((x, 62), name, SOFT, 15)
        pen.text((x, 80), _percent(value), colour, 34)
        pen.text((x, 122), note, SOFT, 13)
        pen.text((x, 140), "" if was is None else f"before: {_percent(was)}", SOFT, 13)


def _row(pen, score: SetScore, y: int, colour) -> None:
    middle = y + ROW / 2
    pen.text((MARGIN + LABEL - 14, middle), shortened(score.prompt_set.phrase, 15, LABEL - 20), INK, 15, "rm")
    pen.line((_x(0), middle, _x(1), middle), LINE)
    before, after = _x(score.before.top1), _x(score.after.top1)
    pen.line((before, middle, after, middle), colour, 3)
    pen.dot(before, middle, SOFT, filled=False)
    pen.dot(after, middle, colour, filled=True)


def _axis(pen, top: int, bottom: int) -> None:
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        pen.line((x, bottom + 2, x, bottom + 8), SOFT)
        pen.text((x, bottom + 12), f"{10 * tenth} %", SOFT, 13, "ma")
    pen.text((_x(0), bottom + 36), "share of images in which the judge recognises it (top-1):", SOFT, 14)
    x = _x(0) + font(14).getlength("share of images in which the judge recognises it (top-1):") + 24
    for colour, filled, text in ((SOFT, False, "before"), (INK, True, "after")):
        pen.dot(x, bottom + 44, colour, filled)
        pen.text((x + 14, bottom + 36), text, SOFT, 14)
        x += 90


def _x(share: float) -> float:
    return MARGIN + LABEL + DOT + share * (WIDTH - 2 * MARGIN - LABEL - 2 * DOT)


def _percent(value) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
