"""Conversion of images: IMAGE tensors, uint8 tensors, PIL."""

import torch
from PIL import Image
from torch import Tensor


def as_bytes(pictures: Tensor) -> Tensor:
    """Images in 0..1 as uint8 on the CPU: the same shape in a quarter of the memory."""
    return (pictures * 255).round().clamp(0, 255).to("cpu", torch.uint8)


def to_image(sheet: Image.Image) -> Tensor:
    """A PIL image as an IMAGE, `[1, H, W, 3]` in 0..1."""
    pixels = torch.frombuffer(bytearray(sheet.convert("RGB").tobytes()), dtype=torch.uint8)
    return pixels.view(1, sheet.height, sheet.width, 3).float() / 255
