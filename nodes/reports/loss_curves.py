"""Loss curves of many concepts, one small panel each: one curve after the other is not readable."""

from collections.abc import Sequence

from PIL import Image

from .canvas import GONE, INK, LINE, SOFT, canvas, font, shortened

FINE = 2  # drawn larger and shrunk, for smooth lines
WIDTH, HEIGHT, GAP, MARGIN, HEADER = 190, 92, 26, 28, 62
CAPTION = 44
COLUMNS, MOST = 5, 60
WINDOW = 0.2  # the share of the steps the smooth curve averages over


def loss_sheet(curves: Sequence[tuple[str, Sequence[float]]]) -> Image.Image:
    """curves: a concept's name and its loss at each step, which jumps with the timestep that was drawn."""
    shown = [(name, losses if len(losses) > 1 else [*losses, *losses]) for name, losses in curves[:MOST]]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    width = max(2 * MARGIN + columns * (WIDTH + GAP) - GAP, 460)
    sheet, pen = canvas(FINE * width, FINE * (2 * MARGIN + HEADER - GAP + rows * (HEIGHT + CAPTION + GAP)))
    more = f" ({len(curves) - MOST} more are not shown)" if len(curves) > MOST else ""
    _text(pen, MARGIN, MARGIN, f"Attention loss{more}", INK, 22)
    _text(pen, MARGIN, MARGIN + 30, "grey: each step, red: its running mean, from 0 up", SOFT, 14)
    for number, (name, losses) in enumerate(shown):
        x = MARGIN + number % columns * (WIDTH + GAP)
        y = MARGIN + HEADER + number // columns * (HEIGHT + CAPTION + GAP)
        _panel(pen, x, y, name, losses)
    return sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS)


def running_mean(losses: Sequence[float]) -> list[float]:
    """The mean of the last ``WINDOW`` of all steps at every step."""
    most = max(1, round(WINDOW * len(losses)))
    return [sum(losses[max(0, end - most) : end]) / min(most, end) for end in range(1, len(losses) + 1)]


def _panel(pen, x: float, y: float, name: str, losses: Sequence[float]) -> None:
    smooth = running_mean(losses)
    _text(pen, x, y, shortened(name, 15, WIDTH), INK, 15)
    first = min(len(smooth), max(1, round(WINDOW * len(losses)))) - 1
    _text(pen, x, y + 20, f"{smooth[first]:.3g}, then {smooth[-1]:.3g}", SOFT, 13)
    y += CAPTION
    most = max(max(losses), 1e-12)
    for curve, colour, width in ((losses, LINE, 1), (smooth[first:], GONE, 2)):
        start = len(losses) - len(curve)
        points = [
            (x + WIDTH * (start + place) / max(len(losses) - 1, 1), y + HEIGHT * (1 - value / most))
            for place, value in enumerate(curve)
        ]
        pen.line([FINE * each for point in points for each in point], colour, FINE * width, joint="curve")
    pen.line([FINE * each for each in (x, y + HEIGHT, x + WIDTH, y + HEIGHT)], SOFT, FINE)


def _text(pen, x: float, y: float, text: str, colour: str, size: int) -> None:
    pen.text((FINE * x, FINE * y), text, colour, font(FINE * size))
