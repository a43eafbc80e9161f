"""demo/before_after.png: the concept, synonyms and what must stay, before and after, with the same seeds."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dev.bench.plan import Plan
from dev.bench.score import Pictures

SHOWN, SIDE, GAP = 4, 112, 6  # pictures per cell, their size enlarged, the space between them
LABEL, HEADER, MARGIN, BETWEEN = 190, 88, 28, 40
ROW = SIDE + 3 * GAP
PAPER, INK, SOFT, ERASED, STAYS = "#ffffff", "#1c2430", "#77808c", "#b3402a", "#2f7d4f"
SYNONYMS_SHOWN, KEPT_SHOWN = 2, 3


def draw_before_after(plan: Plan, pictures: Pictures, path: Path) -> None:
    """Rows: the concept, two of its synonyms, three concepts that stay."""
    rows = rows_of(plan)
    block = SHOWN * SIDE + (SHOWN - 1) * GAP
    size = (2 * MARGIN + LABEL + 2 * block + BETWEEN, MARGIN + HEADER + len(rows) * ROW + MARGIN)
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, MARGIN), f"{plan.target.phrase}: erased, {plan.surrogate} in its place", INK, font(30))
    left = {"before": MARGIN + LABEL, "after": MARGIN + LABEL + block + BETWEEN}
    for (side, x), title in zip(left.items(), ("before", "after, same seeds")):
        pen.text((x, MARGIN + HEADER - 34), title, SOFT, font(22))
    for number, (phrase, note, colour) in enumerate(rows):
        y = MARGIN + HEADER + number * ROW
        pen.text((MARGIN, y + SIDE // 2 - 26), phrase, INK, font(22))
        pen.text((MARGIN, y + SIDE // 2 + 4), note, colour, font(16))
        for side, x in left.items():
            for place, picture in enumerate(pictures[side, phrase][:SHOWN]):
                canvas.paste(enlarge(picture), (x + place * (SIDE + GAP), y))
    canvas.save(path, optimize=True)


def rows_of(plan: Plan) -> list[tuple[str, str, str]]:
    """(phrase, what should happen to it, colour of that note)."""
    spread = max(1, len(plan.kept) // KEPT_SHOWN)
    return [
        (plan.target.phrase, "erased", ERASED),
        *((each.phrase, "synonym, never named", ERASED) for each in plan.synonyms[:SYNONYMS_SHOWN]),
        *((each.phrase, "stays", STAYS) for each in plan.kept[::spread][:KEPT_SHOWN]),
    ]


def enlarge(picture: Tensor) -> Image.Image:
    """[H, W, 3] in 0..1 to a square picture of the row's size."""
    pixels = (picture * 255).round().clamp(0, 255).byte().numpy()
    return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
