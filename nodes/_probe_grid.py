"""A row for each attack: what it gets out of the unedited and out of the erased model."""

from PIL import Image

from ..mace_core.probes import LEARNED, ProbeResult
from ..mace_core.scoring import SIDES
from ._picture import GONE, INK, SOFT, STAYS, canvas, font, shortened, tile

SHOWN, SIDE, GAP = 4, 112, 6  # pictures per cell, their size, the space between them
LABEL, HEADER, MARGIN, BETWEEN = 270, 126, 28, 40
ROW = SIDE + 3 * GAP
CONCEPTS = 3
BACK = 0.1  # from this share on, the figure is in the colour of a warning


def draw_grid(title: str, results, pictures) -> Image.Image:
    """pictures: (side, attack) -> [n, H, W, 3], of which the first few are shown, for the first concepts."""
    concepts = list(dict.fromkeys(each.probe.concept for each in results))[:CONCEPTS]
    rows = [each for each in results if each.after is not None and each.probe.concept in concepts]
    shown = min(SHOWN, *(len(each) for each in pictures.values()))
    block = shown * SIDE + (shown - 1) * GAP
    width = max(2 * MARGIN + LABEL + 2 * block + BETWEEN, 640)
    sheet, pen = canvas(width, MARGIN + HEADER + len(rows) * ROW + MARGIN)
    pen.text((MARGIN, MARGIN), shortened(title, 28, width - 2 * MARGIN), INK, font(28))
    pen.text((MARGIN, MARGIN + 40), "Erasure is not deletion: what each attack brings back.", SOFT, font(18))
    left = {side: MARGIN + LABEL + place * (block + BETWEEN) for place, side in enumerate(SIDES)}
    for (side, x), heading in zip(left.items(), ("unedited", "erased"), strict=True):
        pen.text((x, MARGIN + HEADER - 34), heading, SOFT, font(22))
    for number, each in enumerate(rows):
        y = MARGIN + HEADER + number * ROW
        _label(pen, each, y)
        for side, x in left.items():
            for place, picture in enumerate(pictures[side, each.probe][:shown]):
                sheet.paste(tile(picture, SIDE), (x + place * (SIDE + GAP), y))
    return sheet


def _label(pen, result: ProbeResult, y: int) -> None:
    probe = result.probe
    tried = "" if probe.attack in LEARNED else next(iter(result.shares))
    before, after = (f"{100 * side.top1:.0f} %" for side in (result.before, result.after))
    lines = ((probe.concept.target, INK, 22), (probe.attack, INK, 16), (tried, SOFT, 14))
    for place, (text, colour, size) in enumerate(lines):
        pen.text((MARGIN, y + 8 + 27 * place), shortened(text, size, LABEL - 16), colour, font(size))
    pen.text((MARGIN, y + 88), f"seen in {before}, erased {after}",
             GONE if result.after.top1 >= BACK else STAYS, font(16))
