"""Where a concept is in its images, read from the cross-attention that drew them (no segmenter needed)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention_loss import layer_size


def attention_heat(maps: Iterable[Tensor], positions: slice, size: tuple[int, int]) -> Tensor:
    """How much each place of the latents attends to the phrase: ``[n, h, w]``, 1 on average.

    maps: per layer the probabilities ``[n, heads, places, L]``; positions: the phrase's tokens.
    Layers weigh equally, whatever their resolution and however much of their attention goes to words.
    """
    heats = []
    for attention in maps:
        share = attention[..., positions].float().sum(-1).mean(1)
        share = share / share.mean(-1, keepdim=True).clamp_min(1e-12)
        square = share.unflatten(-1, layer_size(share.shape[-1], size)).unsqueeze(1)
        heats.append(F.interpolate(square, size, mode="bilinear", align_corners=False).squeeze(1).cpu())
    return torch.stack(heats).mean(0)


def heat_to_mask(heat: Tensor, threshold: float = 0.0) -> Tensor:
    """0 or 1 for every place ``[n, h, w]``: smoothed, then cut at ``threshold`` of each image's range.

    threshold 0 chooses the cut per image by Otsu's method. An image without contrast is marked entirely.
    """
    smooth = _smooth(heat.float())
    low, high = smooth.amin((1, 2), keepdim=True), smooth.amax((1, 2), keepdim=True)
    level = (smooth - low) / (high - low).clamp_min(1e-12)
    cuts = torch.tensor([threshold or otsu(image.flatten()) for image in level]).view(-1, 1, 1)
    flat = high - low < 1e-6
    return ((level >= cuts) | flat).float()


def otsu(values: Tensor) -> float:
    """The cut between two groups of values that leaves the least variance inside the groups (Otsu, 1979)."""
    ordered = values.sort().values.double()
    n = len(ordered)
    if n < 2 or ordered[0] == ordered[-1]:
        return 0.0
    below = torch.arange(1, n, dtype=torch.float64)
    sums = ordered.cumsum(0)
    between = (sums[:-1] / below - (sums[-1] - sums[:-1]) / (n - below)) ** 2 * below * (n - below)
    cut = int(between.argmax())
    return float((ordered[cut] + ordered[cut + 1]) / 2)


def _smooth(heat: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (kernel[:, None] * kernel[None, :]).view(1, 1, 3, 3)
    padded = F.pad(heat.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel).squeeze(1)
