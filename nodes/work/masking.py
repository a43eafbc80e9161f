"""The ways to say where concepts are in their pictures: each gives target -> masks [n, H, W] in 0..1."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...mace_core.training.masks import heat_to_mask, masks_in_order, words_to_find
from ..host.checks import require_finite
from ..host.progress import Progress, check_interrupted
from ..host.segmenters import chosen, cut_masks, find_boxes
from .training_set import ConceptImages

Masks = dict[str, Tensor]


def whole_images(sets: Iterable[ConceptImages]) -> Masks:
    return {images.target: torch.ones(len(images.latents), *images.size) for images in sets}


def attention_masks(sets: Iterable[ConceptImages], threshold: float) -> Masks:
    found = {}
    for images in sets:
        check_interrupted()
        if images.heat is None:
            raise ValueError(
                f"The pictures of '{images.target}' were not drawn by Draw Concepts, "
                "so there is no attention to make masks from: "
                "choose 'grounded-sam' or 'whole image', or connect masks."
            )
        mask = heat_to_mask(images.heat, threshold)
        found[images.target] = mask.repeat_interleave(8, -2).repeat_interleave(8, -1)
    return found


def given_masks(sets: Sequence[ConceptImages], masks: Tensor) -> Masks:
    sizes = [(images.target, len(images.latents), images.size) for images in sets]
    require_finite(masks, "The masks hold NaN or infinity: look at the node they come from.")
    shared = masks_in_order(masks, sizes)
    return {images.target: part for images, part in zip(sets, shared, strict=True)}


def segmented_masks(
    sets: Sequence[ConceptImages],
    thresholds: tuple[float, float, float],
    names: tuple[str, str],
    progress: Progress,
) -> Masks:
    """By words: the detector goes through all pictures, then the segmenter, so one of them is in memory."""
    if not sets:
        return {}
    detector, segmenter = chosen(*names)
    asked, labels = [], []
    for images in sets:
        if images.pictures is None:
            raise ValueError(
                f"The pictures of '{images.target}' came as latents only, which a segmenter "
                "cannot look at: draw them with Draw Concepts, or choose 'attention'."
            )
        words, count = words_to_find(images.target, images.kind), len(images.pictures)
        asked += [(picture, words) for picture in images.pictures]
        labels += [f"{images.target} (picture {number} of {count})" for number in range(1, count + 1)]
    *find, cut = thresholds
    pictures = [picture for picture, _ in asked]
    boxes = find_boxes(detector, asked, *find, lambda at: progress.step(f"find {labels[at]}"))
    masks = cut_masks(segmenter, pictures, boxes, cut, lambda at: progress.step(f"cut out {labels[at]}"))
    shared = iter(masks)
    return {images.target: torch.stack([next(shared) for _ in images.pictures]) for images in sets}


def with_masks(images: ConceptImages, masks: Tensor, progress: Progress) -> ConceptImages:
    """The concept's pictures with their masks, without those that show nothing of it.

    Nothing is masked in their place: equation 3 sums over the mask, so such a picture would teach nothing.
    """
    shows = masks.flatten(1).amax(1) > 0
    absent = [str(number + 1) for number in (~shows).nonzero().flatten().tolist()]
    if len(absent) == len(masks):
        raise ValueError(
            f"'{images.target}' is found in none of its {len(masks)} pictures: look whether "
            "they show it, lower box_threshold and text_threshold, or choose 'attention'."
        )
    if absent:
        progress.warn(
            f"'{images.target}' is not found in {len(absent)} of its {len(masks)} pictures "
            f"(number {', '.join(absent)}), which are left out of the training set"
        )
    kept = {
        name: value[shows]
        for name in ("latents", "heat", "pictures")
        if (value := getattr(images, name)) is not None
    }
    return replace(images, masks=masks[shows], **kept)
