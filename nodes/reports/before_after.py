"""A sheet with one row per prompt set or attack: label, images before, images after."""

from dataclasses import dataclass
from math import ceil

from PIL import Image

from ...mace_core.evaluation.scores import SIDES
from ..work.scoring import SHOWN
from .canvas import INK, SOFT, canvas, font, shortened, tile

SIDE, GAP = 112, 6  # of an image, between images
MARGIN, BETWEEN = 28, 40
HEADING = 22  # size of the font
ROW = SIDE + 3 * GAP


@dataclass(frozen=True)
class Layout:
    """headings: above the images before and after; note: below the title; sizes in pixels."""

    headings: tuple[str, str]
    label: int
    header: int
    note: str = ""
    width: int = 0  # minimum


def draw_sheet(title: str, rows, pictures_of, draw_label, layout: Layout) -> Image.Image:
    """pictures_of(side, row) -> `[n, H, W, 3]`, of which the first few are shown; draw_label(pen, row, y)."""
    shown = min(SHOWN, *(len(pictures_of(side, each)) for side in SIDES for each in rows))
    block = shown * SIDE + (shown - 1) * GAP
    last = max(block, ceil(font(HEADING).getlength(layout.headings[-1])))  # headings can be wider
    width = max(2 * MARGIN + layout.label + block + BETWEEN + last, layout.width)
    sheet, pen = canvas(width, MARGIN + layout.header + len(rows) * ROW + MARGIN)
    pen.text((MARGIN, MARGIN), shortened(title, 28, width - 2 * MARGIN), INK, font(28))
    pen.text((MARGIN, MARGIN + 40), layout.note, SOFT, font(18))
    left = {side: MARGIN + layout.label + place * (block + BETWEEN) for place, side in enumerate(SIDES)}
    for (side, x), heading in zip(left.items(), layout.headings, strict=True):
        pen.text((x, MARGIN + layout.header - 34), heading, SOFT, font(HEADING))
    for number, each in enumerate(rows):
        y = MARGIN + layout.header + number * ROW
        draw_label(pen, each, y)
        for side, x in left.items():
            for place, picture in enumerate(pictures_of(side, each)[:shown]):
                sheet.paste(tile(picture, SIDE), (x + place * (SIDE + GAP), y))
    return sheet
