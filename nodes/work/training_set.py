"""The MACE_TRAINING_SET wire: each concept's images as latents, and where the concept is in them."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from ...mace_core.concepts.concepts import canonical
from ...mace_core.concepts.kinds import KINDS
from ...mace_core.files.shown import shown, shown_each
from ..host.sampling import PIXELS


@dataclass(frozen=True)
class ConceptImages:
    """The training images of one concept.

    latents: [n, c, h, w] as the host passes them between nodes; heat: [n, h, w], the attention to the target,
    for generated images; masks: [n, H, W] in 0..1; pictures: [n, H, W, 3] uint8, for display and segmenters;
    kind: as in Concept.
    """

    target: str
    latents: Tensor
    heat: Tensor | None = None
    masks: Tensor | None = None
    pictures: Tensor | None = None
    kind: str = "object"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images and masks."""
        return size_of_latents(self.latents)

    @property
    def whole_image(self) -> bool:
        """Whether the concept covers the whole image, as a style does."""
        return KINDS[self.kind].whole_image


TrainingSet = tuple[ConceptImages, ...]


def size_of_latents(latents: Tensor) -> tuple[int, int]:
    """Height and width in pixels of latents [..., h, w]."""
    return latents.shape[-2] * PIXELS, latents.shape[-1] * PIXELS


def join(first: TrainingSet, second: Iterable[ConceptImages]) -> TrainingSet:
    """Two training sets as one. Raises ValueError if both have images of the same concept."""
    held = {canonical(images.target) for images in first}
    for images in second:
        if canonical(images.target) in held:
            raise ValueError(f"Both training sets have images of {shown(images.target)}: remove one of them.")
    return (*first, *second)


def images_of(training_set: TrainingSet, target: str) -> ConceptImages:
    """The images of a target. Raises ValueError if there are none."""
    for images in training_set:
        if canonical(images.target) == canonical(target):
            return images
    raise ValueError(
        f"The training set has no images of {shown(target)}, only of "
        f"{shown_each(images.target for images in training_set) or 'nothing'}: "
        "use the same concepts in Draw Concepts and Train Concept LoRA."
    )
