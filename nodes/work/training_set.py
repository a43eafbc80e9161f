"""What travels on the MACE_TRAINING_SET wire: each concept's images as latents, and where it is in them."""

from dataclasses import dataclass

from torch import Tensor

from ...mace_core.concepts.concepts import same


@dataclass(frozen=True)
class ConceptImages:
    target: str
    latents: Tensor  # [n, c, h, w] as the host passes them between nodes
    heat: Tensor | None = None  # [n, h, w]: how much each place attends to the target, for drawn images
    masks: Tensor | None = None  # [n, H, W] in 0..1
    pictures: Tensor | None = None  # [n, H, W, 3] uint8, for showing and for segmenters
    kind: str = "object"  # as in Concept: a style is everywhere in its pictures

    @property
    def size(self) -> tuple[int, int]:
        """The masks' size: eight pixels a latent, as in every family MACE edits."""
        return self.latents.shape[-2] * 8, self.latents.shape[-1] * 8


TrainingSet = tuple[ConceptImages, ...]


def join(first: TrainingSet, second: TrainingSet) -> TrainingSet:
    held = {same(images.target) for images in first}
    for images in second:
        if same(images.target) in held:
            raise ValueError(f"Both training sets hold images of '{images.target}': keep one of them.")
    return first + second


def images_of(training_set: TrainingSet, target: str) -> ConceptImages:
    for images in training_set:
        if same(images.target) == same(target):
            return images
    raise ValueError(
        f"The training set holds no images of '{target}', only of "
        f"{', '.join(repr(images.target) for images in training_set) or 'nothing'}: "
        "draw the same concepts as are trained."
    )
