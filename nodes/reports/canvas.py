"""Shared by all sheets and charts: font, colours, tiles."""

from functools import cache

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..host.images import as_bytes

PAPER, INK, SOFT, LINE = "#ffffff", "#1c2430", "#77808c", "#d9dde3"
GONE, STAYS = "#b3402a", "#2f7d4f"  # what must be erased, what must be preserved


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (round(width), round(height)), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def tile(picture: Tensor, side: int) -> Image.Image:
    """An image `[H, W, 3]`, uint8 or in 0..1, fitted into a square of `side` pixels."""
    if picture.dtype != torch.uint8:
        picture = as_bytes(picture.float())
    whole = Image.fromarray(picture.cpu().contiguous().numpy())
    scale = side / max(whole.size)
    fitted = whole.resize([max(1, round(each * scale)) for each in whole.size], Image.Resampling.LANCZOS)
    if fitted.size == (side, side):
        return fitted
    square = Image.new("RGB", (side, side), PAPER)
    square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return square


def shortened(text: str, size: int, width: float) -> str:
    """The text, cut off with dots if it is wider than `width` pixels at this font size."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
