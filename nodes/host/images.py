"""Images: IMAGE tensors, uint8 tensors, PIL, and what a node shows."""

from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import ui
from PIL import Image
from torch import Tensor

from ...mace_core.files.faults import reason_and_cure


def as_bytes(pictures: Tensor) -> Tensor:
    """Images in 0..1 as uint8 on the CPU: the same shape in a quarter of the memory."""
    return (pictures * 255).round().clamp(0, 255).to("cpu", torch.uint8)


def to_image(sheet: Image.Image) -> Tensor:
    """A PIL image as an IMAGE, `[1, H, W, 3]` in 0..1."""
    pixels = torch.frombuffer(bytearray(sheet.convert("RGB").tobytes()), dtype=torch.uint8)
    return pixels.view(1, sheet.height, sheet.width, 3).float() / 255


def shown_images(images: Tensor, node: type, report: Callable[[str], None]) -> dict[str, Any]:
    """The `ui` of a node that shows IMAGEs, `[B, H, W, 3]`, which ComfyUI reads from its temp folder.

    If that folder cannot be written to, ``report`` gets a sentence, and the node shows no images.
    """
    try:
        return ui.PreviewImage(images, cls=node).as_dict()
    except OSError as error:
        reason, cure = reason_and_cure(error)
        report(f"ComfyUI's temp folder cannot be written to ({reason}), so the images are not shown: {cure}.")
        return {}
