"""What dev/workflows/architecture.py draws with: boxes, words, arrows and chips, in Pillow."""

from functools import cache

from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # drawn larger and reduced at the end, because Pillow's lines have hard edges
PAPER, INK, SOFT, EDGE = "#ffffff", "#1c2430", "#5f6874", "#b9c0ca"
CHIPS = {"MODEL": "#cbbdec", "CLIP": "#f0dc91", "VAE": "#f0b9b3", "IMAGE": "#b3d4f0", "concepts": "#bfe0c7"}
NAME, LABEL, CHIP, ROW = 20, 18, 16, 25
Point = tuple[float, float]
Way = tuple[Point, ...]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


class Sheet:
    """Draws in the coordinates of the finished picture, and remembers where words are."""

    def __init__(self, width: int, height: int):
        self.size = width, height
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self.words: list[tuple[str, Box]] = []

    def box(self, box: Box, fill: str, outline: str | None = None, radius: float = 10) -> None:
        self.pen.rounded_rectangle([x * SCALE for x in box], radius * SCALE, fill, outline, SCALE)

    def text(self, at: Point, words: str, size: int, fill: str = INK, anchor: str = "mm") -> None:
        place = (at[0] * SCALE, at[1] * SCALE), words
        big = font(size * SCALE)
        if words:
            self.words.append((words, tuple(x / SCALE for x in self.pen.textbbox(*place, big, anchor))))
        self.pen.text(*place, fill, big, anchor)

    def titled(self, at: Point, title: str, note: str) -> None:
        self.text(at, title, NAME, INK, "lm")
        self.text((at[0] + 12 + font(NAME).getlength(title), at[1] + 1), note, LABEL, SOFT, "lm")

    def reduced(self) -> Image.Image:
        """The finished picture."""
        return self.image.resize(self.size, Image.Resampling.LANCZOS)

    def label(self, at: Point, words: str) -> None:
        """Words on a line: one row each, on the colour that is there."""
        rows = words.split()
        width = max(font(LABEL).getlength(row) for row in rows) / 2 + 3
        height = len(rows) * 11 + 1
        under = self.image.getpixel(((at[0] - 8) * SCALE, (at[1] - 8) * SCALE))
        self.box((at[0] - width, at[1] - height, at[0] + width, at[1] + height), under, radius=4)
        for i, row in enumerate(rows):
            self.text((at[0], at[1] + 21 * (i - (len(rows) - 1) / 2)), row, LABEL, SOFT)

    def line(self, path: Way) -> None:
        """A line with an arrowhead."""
        points = [(x * SCALE, y * SCALE) for x, y in path]
        (x0, y0), (x, y) = points[-2:]
        length = max(abs(x - x0), abs(y - y0))
        dx, dy, reach, side = (x - x0) / length, (y - y0) / length, 11 * SCALE, 5 * SCALE
        back = points[-1] = x - dx * reach, y - dy * reach
        self.pen.line(points, SOFT, 2 * SCALE, "curve")
        wings = [(back[0] + dy * each, back[1] - dx * each) for each in (side, -side)]
        self.pen.polygon([(x, y), *wings], SOFT)

    def shape(self, corners: Way, fill: str) -> None:
        self.pen.polygon([(x * SCALE, y * SCALE) for x, y in corners], fill, EDGE, SCALE)

    def dot(self, at: Point) -> None:
        self.pen.circle((at[0] * SCALE, at[1] * SCALE), 5 * SCALE, SOFT)

    def chips(self, box: Box, names: tuple[str, ...]) -> None:
        """Chips in rows, centred in `box`."""
        rows: list[list[str]] = [[]]
        for name in names:
            if chips_width([*rows[-1], name]) > box[2] - box[0]:
                rows.append([])
            rows[-1].append(name)
        y = (box[1] + box[3] - 28 * len(rows)) / 2 + 14
        for row in rows:
            x = (box[0] + box[2] - chips_width(row)) / 2
            for name in row:
                width = chips_width([name])
                self.box((x, y - 12, x + width, y + 12), CHIPS[name], radius=6)
                self.text((x + width / 2, y), name, CHIP)
                x += width + 4
            y += 28


def chips_width(names: list[str]) -> float:
    return sum(font(CHIP).getlength(name) + 10 for name in names) + 4 * (len(names) - 1)


def in_lines(words: str, size: int, width: float) -> list[str]:
    """One line if it fits, else the two lines whose longer one is shortest."""
    if font(size).getlength(words) <= width:
        return [words]
    parts = words.split()
    ways = [[" ".join(parts[:i]), " ".join(parts[i:])] for i in range(1, len(parts))]
    return min(ways, key=lambda way: max(map(font(size).getlength, way)))
