"""Where a concept is in its images: from the cross-attention that generated them, or from a segmenter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..concepts.concepts import without_article
from ..concepts.kinds import KINDS
from ..files.shown import shown


def heat_to_mask(heat: Tensor, threshold: float = 0.0) -> Tensor:
    """Masks of 0 and 1 from heat maps ``[n, h, w]``: smoothed, then cut at ``threshold`` of each image's
    range.

    threshold: in 0..1; 0 chooses the cut of each image by Otsu's method. An image without contrast is masked
    entirely.
    """
    smooth = _smooth(heat.float())
    low, high = smooth.amin((1, 2), keepdim=True), smooth.amax((1, 2), keepdim=True)
    level = (smooth - low) / (high - low).clamp_min(1e-12)
    cuts = torch.tensor([threshold or otsu(image.flatten()) for image in level]).view(-1, 1, 1)
    flat = high - low < 1e-6
    return ((level >= cuts) | flat).float()


def otsu(values: Tensor) -> float:
    """The cut of values ``[n]`` into two groups with the least variance inside the groups (Otsu, 1979)."""
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


def words_to_find(target: str, kind: str) -> str:
    """What a detector is asked for. It knows objects but no names, so for some kinds it is the kind's own
    word."""
    if KINDS[kind].detected_as:
        return KINDS[kind].detected_as
    # a detector reads a full stop as the end of one phrase and the start of the next
    return " ".join(without_article(target).lower().replace(".", " ").split()) or target


def boxes_of_words(
    logits: Tensor,
    boxes: Tensor,
    words: Sequence[Sequence[int]],
    size: tuple[int, int],
    box_threshold: float,
    text_threshold: float,
) -> Tensor:
    """The boxes ``[k, 4]`` that show a phrase: left, top, right, bottom in pixels of an image of ``size`` (H,
    W).

    logits: ``[q, L]``, how well each box fits each token (from a detector, before the sigmoid).
    boxes:  ``[q, 4]``, centre x and y, width, height as fractions of the image.
    words:  for each word of the phrase, the positions of its tokens; a word fits as well as its best token.
    A box counts if its best word fits by ``box_threshold`` and every word by ``text_threshold`` (both 0..1).
    """
    fit = logits.float().sigmoid()
    fits = torch.stack([fit[:, list(positions)].amax(1) for positions in words], 1)
    counts = (fits.amax(1) >= box_threshold) & (fits.amin(1) >= text_threshold)
    centre, extent = boxes[counts].float().split(2, -1)
    corners = torch.cat([centre - extent / 2, centre + extent / 2], -1).clamp(0, 1)
    height, width = size
    return corners * corners.new_tensor([width, height, width, height])


def union_of_masks(logits: Tensor, threshold: float = 0.5) -> Tensor:
    """One mask ``[H, W]`` of 0 and 1 from a segmenter's masks ``[k, H, W]`` before the sigmoid; k can be
    0."""
    return (logits.float().sigmoid() >= threshold).any(0).float()


def masks_in_order(masks: Tensor, sizes: Sequence[tuple[str, int, tuple[int, int]]]) -> list[Tensor]:
    """One batch of masks ``[n, H, W]``, split by concept: ``[count, height, width]`` in 0..1 for each.

    sizes: for each concept its name, its number of images and their (height, width), in order.
    Raises ValueError if the number or the aspect ratio of the masks differs from that of the images.
    """
    if not masks.numel():
        raise ValueError("The masks have no pixels: connect one mask per image.")
    masks = masks.reshape(-1, *masks.shape[-2:]).float()
    images = sum(count for _, count, _ in sizes)
    if len(masks) != images:
        raise ValueError(
            f"The training set has {images} images and {len(masks)} masks were given: "
            "give one mask per image, in the order of the images."
        )
    shared = []
    for (name, _, (height, width)), part in zip(sizes, masks.split([count for _, count, _ in sizes])):
        H, W = part.shape[-2:]
        if abs(height * W - width * H) > 8 * max(H, W):
            raise ValueError(
                f"The images of {shown(name)} are {width} x {height} and their masks {W} x {H}: "
                "use masks with the same aspect ratio as the images."
            )
        resized = F.interpolate(part.unsqueeze(1), (height, width), mode="area").squeeze(1)
        shared.append(resized.clamp(0, 1).cpu())
    return shared


def one_size(batches: Sequence[Tensor]) -> Tensor:
    """Batches ``[n, H, W, ...]`` as one batch, resized to the first."""
    size = batches[0].shape[1:3]
    resized = []
    for batch in batches:
        planes = batch.reshape(*batch.shape[:3], -1).movedim(-1, 1)
        resized.append(
            F.interpolate(planes, size, mode="nearest")
            .movedim(1, -1)
            .reshape(len(batch), *size, *batch.shape[3:])
        )
    return torch.cat(resized)
