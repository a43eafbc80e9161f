"""Before and after side by side, with the same seeds: the concepts, synonyms, neighbours and what stays."""

from PIL import Image

from ..mace_core.scoring import SIDES, SetScore
from ._picture import GONE, INK, SOFT, STAYS, canvas, font, shortened, tile

SHOWN, SIDE, GAP = 4, 112, 6  # pictures per cell, their size, the space between them
LABEL, HEADER, MARGIN, BETWEEN = 230, 96, 28, 40
ROW = SIDE + 3 * GAP
ROWS = {"erased": 4, "synonym": 3, "neighbour": 3, "kept": 3}
NOTES = {"erased": ("erased", GONE), "synonym": ("a synonym", GONE),
         "neighbour": ("stays, a neighbour", STAYS), "kept": ("stays", STAYS)}


def draw_grid(title: str, scores: list[SetScore], pictures) -> Image.Image:
    """pictures: (side, prompt set) -> [n, H, W, 3], of which the first few are shown."""
    rows = chosen_rows(scores)
    shown = min(SHOWN, len(pictures[SIDES[0], rows[0].drawn]))
    block = shown * SIDE + (shown - 1) * GAP
    sheet, pen = canvas(2 * MARGIN + LABEL + 2 * block + BETWEEN, MARGIN + HEADER + len(rows) * ROW + MARGIN)
    pen.text((MARGIN, MARGIN), shortened(title, 28, sheet.width - 2 * MARGIN), INK, font(28))
    left = {side: MARGIN + LABEL + place * (block + BETWEEN) for place, side in enumerate(SIDES)}
    for (side, x), heading in zip(left.items(), ("before", "after, same seeds"), strict=True):
        pen.text((x, MARGIN + HEADER - 34), heading, SOFT, font(22))
    for number, each in enumerate(rows):
        y = MARGIN + HEADER + number * ROW
        _label(pen, each, y)
        for side, x in left.items():
            for place, picture in enumerate(pictures[side, each.drawn][:shown]):
                sheet.paste(tile(picture, SIDE), (x + place * (SIDE + GAP), y))
    return sheet


def chosen_rows(scores: list[SetScore]) -> list[SetScore]:
    """A few of each group, evenly spread: no picking of good ones."""
    rows = []
    for group, most in ROWS.items():
        members = [each for each in scores if each.drawn.group == group]
        step = max(1, -(-len(members) // most))
        rows += members[::step]
    return rows


def _label(pen, score: SetScore, y: int) -> None:
    note, colour = NOTES[score.drawn.group]
    if score.drawn.given:
        note = "a synonym, erased along"
    pen.text((MARGIN, y + SIDE // 2 - 38), shortened(score.drawn.phrase, 22, LABEL - 16), INK, font(22))
    pen.text((MARGIN, y + SIDE // 2 - 8), note, colour, font(16))
    pen.text((MARGIN, y + SIDE // 2 + 16), _seen(score), SOFT, font(16))


def _seen(score: SetScore) -> str:
    if score.before.top1 is None:
        return f"drift {score.drift.pixels:.2f}"
    before, after = (f"{100 * side.top1:.0f} %" for side in (score.before, score.after))
    return f"seen in {before}, then {after}"
