"""`make artwork` draws docs/icon.png and docs/banner.png: one erased dot among preserved ones.

Comfy Registry asks for a square icon of at most 400 x 400 pixels and a banner of 21:9. Without fonts, every
machine draws the same pixels.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw

from dev.host.fetch import REPOSITORY

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]  # left, top, right, bottom

SMOOTH = 4  # drawn larger and reduced at the end, because Pillow's shapes have hard edges
GROUND, TRACE = "#171c28", "#e9edf5"
DASHES = 8
COLOURS = ("#f7c04a", "#f2875e", "#e0608c", "#9a72e8", "#4f96ee", "#35bfae")


@dataclass(frozen=True)
class Artwork:
    """A grid of dots; `erased` is the (row, column) of the one that is gone. Lengths are pixels."""

    path: Path
    size: tuple[int, int]
    grid: tuple[int, int]  # rows, columns
    erased: tuple[int, int]
    pitch: float  # from dot to dot
    radius: float
    corner: float  # of the ground; outside it, the picture is transparent


ICON = Artwork(REPOSITORY / "docs" / "icon.png", (400, 400), (3, 3), (1, 1), 114, 46, 72)
BANNER = Artwork(REPOSITORY / "docs" / "banner.png", (1260, 540), (5, 13), (2, 8), 92, 36, 0)


def drawn(artwork: Artwork) -> Image.Image:
    """Colours run along the diagonals, from the first of COLOURS to the last."""
    width, height = (SMOOTH * side for side in artwork.size)
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), SMOOTH * artwork.corner, GROUND)
    rows, columns = artwork.grid
    radius = SMOOTH * artwork.radius
    for row in range(rows):
        for column in range(columns):
            x = width / 2 + SMOOTH * artwork.pitch * (column - (columns - 1) / 2)
            y = height / 2 + SMOOTH * artwork.pitch * (row - (rows - 1) / 2)
            box = (x - radius, y - radius, x + radius, y + radius)
            if (row, column) == artwork.erased:
                trace(pen, box)
            else:
                pen.ellipse(box, blended((row + column) / (rows + columns - 2)))
    return picture.resize(artwork.size, Image.Resampling.BOX)


def trace(pen: ImageDraw.ImageDraw, box: Box) -> None:
    """A broken outline: what is left of an erased dot."""
    step = 360 / DASHES
    for middle in (step * number for number in range(DASHES)):
        pen.arc(box, middle - 0.3 * step, middle + 0.3 * step, TRACE, round((box[2] - box[0]) / 9))


def blended(share: float) -> Colour:
    """The colour at `share` (0 to 1) of the way through COLOURS."""
    legs = list(pairwise(ImageColor.getrgb(colour) for colour in COLOURS))
    leg = min(int(share * len(legs)), len(legs) - 1)
    along = share * len(legs) - leg
    start, end = legs[leg]
    return tuple(round(a + along * (b - a)) for a, b in zip(start, end, strict=True))


def main() -> None:
    for artwork in (ICON, BANNER):
        drawn(artwork).save(artwork.path, optimize=True)
        print(artwork.path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
