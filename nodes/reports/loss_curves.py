"""Loss curves of many concepts in one small panel each, because a single plot would be unreadable."""

from collections.abc import Sequence

from PIL import Image

from .canvas import GONE, INK, LINE, SOFT, canvas, font, shortened

FINE = 2  # rendered larger and scaled down, for smooth lines
WIDTH, HEIGHT, GAP, MARGIN, HEADER = 190, 92, 26, 28, 62
CAPTION = 44
COLUMNS, MOST = 5, 60
WINDOW = 0.2  # the share of all steps that the running mean averages over


def loss_sheet(curves: Sequence[tuple[str, Sequence[float]]]) -> Image.Image:
    """curves: name and loss per step of each concept. The loss jumps because each step samples a timestep."""
    shown = [(name, losses if len(losses) > 1 else [*losses, *losses]) for name, losses in curves[:MOST]]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    width = max(2 * MARGIN + columns * (WIDTH + GAP) - GAP, 460)
    panel = (width - 2 * MARGIN + GAP) // columns - GAP
    sheet, pen = canvas(FINE * width, FINE * (2 * MARGIN + HEADER - GAP + rows * (HEIGHT + CAPTION + GAP)))
    more = f" ({len(curves) - MOST} more not shown)" if len(curves) > MOST else ""
    _text(pen, MARGIN, MARGIN, f"Attention loss{more}", INK, 22)
    _text(pen, MARGIN, MARGIN + 30, "Grey: each step. Red: running mean. The axis starts at 0.", SOFT, 14)
    for number, (name, losses) in enumerate(shown):
        x = MARGIN + number % columns * (panel + GAP)
        y = MARGIN + HEADER + number // columns * (HEIGHT + CAPTION + GAP)
        _panel(pen, x, y, panel, name, losses)
    return sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS)


def running_mean(losses: Sequence[float]) -> list[float]:
    """Per step, the mean of the losses in a window that ends there. `WINDOW` is its share of all steps."""
    most = max(1, round(WINDOW * len(losses)))
    return [sum(losses[max(0, end - most) : end]) / min(most, end) for end in range(1, len(losses) + 1)]


def _panel(pen, x: float, y: float, width: float, name: str, losses: Sequence[float]) -> None:
    smooth = running_mean(losses)
    _text(pen, x, y, shortened(name, 15, width), INK, 15)
    first = min(len(smooth), max(1, round(WINDOW * len(losses)))) - 1
    _text(pen, x, y + 20, f"from {smooth[first]:.3g} to {smooth[-1]:.3g}", SOFT, 13)
    y += CAPTION
    most = max(max(losses), 1e-12)
    for curve, colour, stroke in ((losses, LINE, 1), (smooth[first:], GONE, 2)):
        start = len(losses) - len(curve)
        points = [
            (x + width * (start + place) / max(len(losses) - 1, 1), y + HEIGHT * (1 - value / most))
            for place, value in enumerate(curve)
        ]
        pen.line([FINE * each for point in points for each in point], colour, FINE * stroke, joint="curve")
    pen.line([FINE * each for each in (x, y + HEIGHT, x + width, y + HEIGHT)], SOFT, FINE)


def _text(pen, x: float, y: float, text: str, colour: str, size: int) -> None:
    pen.text((FINE * x, FINE * y), text, colour, font(FINE * size))
