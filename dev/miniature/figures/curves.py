"""mini/curves.png: the training curves of the miniature's four parts, plotted from the committed logs."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..logs import LOGS, read_log

PANELS = (
    ("vae", "psnr", "autoencoder: PSNR, dB"),
    ("judge", "subject", "judge: share of the batch classified correctly"),
    ("text", "alike", "text encoder: contrastive loss"),
    ("unet", "mse", "U-Net: mean squared error of the noise"),
)
PANEL, MARGIN, INNER = (480, 270), 26, (64, 44, 20, 40)  # inner: left, top, right, bottom
PAPER, INK, SOFT, GRID, LINE = "#ffffff", "#1c2430", "#77808c", "#e4e7eb", "#2f6fb3"
TICKS = 4


def draw_curves(path: Path, logs: Path = LOGS) -> None:
    """Two by two panels; a panel without a log says so."""
    width, height = PANEL
    canvas = Image.new("RGB", (2 * width + 2 * MARGIN, 2 * height + 2 * MARGIN), PAPER)
    pen = ImageDraw.Draw(canvas)
    for place, (part, figure, title) in enumerate(PANELS):
        corner = (MARGIN + place % 2 * width, MARGIN + place // 2 * height)
        lines = read_log(logs / f"{part}.jsonl")
        _panel(pen, corner, title, [(step, line[figure]) for step, line in lines.items()])
    canvas.save(path, optimize=True)


def _panel(pen: ImageDraw.ImageDraw, corner: tuple[int, int], title: str, points: list) -> None:
    left, top = corner[0] + INNER[0], corner[1] + INNER[1]
    right, bottom = corner[0] + PANEL[0] - INNER[2], corner[1] + PANEL[1] - INNER[3]
    pen.text((left, corner[1] + 12), title, INK, font(16))
    if not points:
        pen.text((left, (top + bottom) // 2), "no log", SOFT, font(14))
        return
    last, (low, high) = points[-1][0], _range([value for _, value in points])
    for tick in range(TICKS + 1):
        share = tick / TICKS
        y, x = bottom - share * (bottom - top), left + share * (right - left)
        pen.line((left, y, right, y), GRID)
        pen.text((left - 8, y), f"{low + share * (high - low):.3g}", SOFT, font(13), anchor="rm")
        pen.text((x, bottom + 8), f"{round(share * last):,}", SOFT, font(13), anchor="mt")
    pen.text((right, bottom + 24), "steps", SOFT, font(13), anchor="rt")
    place = [
        (left + step / last * (right - left), bottom - (value - low) / (high - low) * (bottom - top))
        for step, value in points
    ]
    pen.line(place, LINE, 2, joint="curve")


def _range(values: list[float]) -> tuple[float, float]:
    """A little more than the range of the values, so that no line lies on the frame."""
    low, high = min(values), max(values)
    spare = 0.05 * (high - low) or 0.05 * math.fabs(high) or 1.0
    return low - spare, high + spare


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
