"""Attention maps as in figure 2 of the paper, and training images with their masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor

from ...mace_core.files.shown import shown
from ..work.training_set import TrainingSet
from .canvas import INK, SOFT, canvas, font, shortened, tile

SIDE, GAP, MARGIN = 128, 8, 28
LABEL, CAPTION, HEADER, FOOTER = 80, 60, 56, 24
IN_A_ROW = 9  # words
PICTURES = 8  # per concept, in the sheet of masks
COLOURS = ((13, 16, 45), (70, 32, 106), (156, 46, 98), (226, 91, 55), (250, 170, 50), (252, 245, 180))
SCALE = "Brighter means more attention. Each word has its own scale, shared by all rows."
MASKED = (224, 60, 40)


@dataclass(frozen=True)
class Row:
    """One model: its name on the sheet, its image `[H, W, 3]` and the heat of the words `[words, h, w]`."""

    name: str
    picture: Tensor
    heat: Tensor


def attention_sheet(prompt: str, words: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """One row per model: its image on the left, then one map per word. The maps of a word share one scale."""
    bands = [range(start, min(start + IN_A_ROW, len(words))) for start in range(0, len(words), IN_A_ROW)]
    band = len(rows) * (SIDE + GAP) + CAPTION
    left = MARGIN + (LABEL if rows[0].name else 0)
    width = left + (1 + max(map(len, bands))) * (SIDE + GAP) + MARGIN
    sheet, pen = canvas(max(width, 620), 2 * MARGIN + HEADER + len(bands) * band + FOOTER)
    pen.text((MARGIN, MARGIN), shortened(f'"{prompt}"', 24, sheet.width - 2 * MARGIN), INK, font(24))
    most = torch.stack([row.heat.amax((1, 2)) for row in rows]).amax(0)
    for number, places in enumerate(bands):
        y = MARGIN + HEADER + number * band
        for row in rows:
            pen.text((MARGIN, y + SIDE / 2), row.name, SOFT, font(20), anchor="lm")
            sheet.paste(tile(row.picture, SIDE), (left, y))
            for column, word in enumerate(places, 1):
                heat = _heat(row.heat[word] / most[word].clamp_min(1e-12), row.picture)
                sheet.paste(heat, (left + column * (SIDE + GAP), y))
            y += SIDE + GAP
        for column, word in enumerate(places, 1):
            x = left + column * (SIDE + GAP) + SIDE / 2
            pen.text((x, y), shortened(words[word], 20, SIDE), INK, font(20), anchor="ma")
            pen.text((x, y + 26), f"up to {100 * most[word]:.1f} %", SOFT, font(14), anchor="ma")
    pen.text((MARGIN, sheet.height - MARGIN - 8), SCALE, SOFT, font(14), anchor="lm")
    return sheet


def require_masks(training_set: TrainingSet) -> None:
    for images in training_set:
        if images.masks is None:
            raise ValueError(
                f"The images of {shown(images.target)} have no masks: connect them through Mask Concepts."
            )


def mask_sheet(training_set: TrainingSet) -> Image.Image:
    """The images of each concept, with the inside of the mask tinted and outlined and the rest dimmed."""
    most = max(min(len(images.latents), PICTURES) for images in training_set)
    label = 180
    sheet, pen = canvas(
        2 * MARGIN + label + most * (SIDE + GAP), 2 * MARGIN + HEADER + len(training_set) * (SIDE + GAP)
    )
    pen.text((MARGIN, MARGIN), "Masks: attention to suppress", INK, font(24))
    for number, images in enumerate(training_set):
        y = MARGIN + HEADER + number * (SIDE + GAP)
        pen.text((MARGIN, y + SIDE / 2), shortened(images.target, 20, label - 12), INK, font(20), anchor="lm")
        for place in range(min(len(images.latents), PICTURES)):
            picture = (
                Image.new("RGB", (SIDE, SIDE), SOFT)
                if images.pictures is None
                else tile(images.pictures[place], SIDE)
            )
            mask = tile(images.masks[place].unsqueeze(-1).expand(-1, -1, 3), SIDE).convert("L")
            sheet.paste(_masked(picture, mask), (MARGIN + label + place * (SIDE + GAP), y))
    return sheet


def _heat(heat: Tensor, picture: Tensor) -> Image.Image:
    """Values `[h, w]` in 0..1 in colour, with the image showing through."""
    grey = Image.fromarray((heat * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    smooth = grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    colour = Image.merge("RGB", [smooth.point(channel) for channel in _palette()])
    return Image.blend(colour, tile(picture, SIDE).convert("L").convert("RGB"), 0.2)


def _palette() -> list[list[int]]:
    """256 levels per channel, interpolated between `COLOURS`."""
    steps = torch.linspace(0, len(COLOURS) - 1, 256)
    low = steps.floor().clamp(max=len(COLOURS) - 2).long()
    colours = torch.tensor(COLOURS, dtype=torch.float32)
    between = torch.lerp(colours[low], colours[low + 1], (steps - low).unsqueeze(1))
    return between.round().long().T.tolist()


def _masked(picture: Image.Image, mask: Image.Image) -> Image.Image:
    tint = Image.blend(picture, Image.new("RGB", picture.size, MASKED), 0.35)
    dimmed = Image.blend(picture, Image.new("RGB", picture.size, "#ffffff"), 0.55)
    shown = Image.composite(tint, dimmed, mask)
    inside = mask.point(lambda value: 255 if value > 127 else 0)
    edge = ImageChops.difference(inside, inside.filter(ImageFilter.MinFilter(5)))
    shown.paste(MASKED, mask=edge)
    return shown
