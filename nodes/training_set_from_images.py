"""Makes a training set from the user's own images."""

import torch
from comfy_api.latest import io

from ..mace_core.concepts.concepts import split_kind
from ..mace_core.concepts.lines import literal
from ..mace_core.files.shown import shown
from .arrived import checked
from .host.checks import require_finite
from .host.images import as_bytes
from .host.progress import check_interrupted
from .host.sampling import encode
from .sockets import CATEGORY, TrainingSet, found_as, listed, only
from .work.training_set import ConceptImages, join, size_of_latents


class TrainingSetFromImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_TrainingSetFromImages",
            display_name="Training Set From Images",
            category=CATEGORY,
            **found_as("dataset", "own pictures", "load training data"),
            description="Makes a training set from your own images of one concept, with masks from "
            "any segmenter.",
            is_input_list=True,  # a list of images, such as a folder, makes one training set
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="Images of the concept, all of one size, as a batch or a list. Eight are enough.",
                ),
                io.Vae.Input("vae", tooltip="The VAE of the checkpoint."),
                io.String.Input(
                    "concept",
                    default="ship",
                    tooltip="The target that the images show, written as in Erase Concepts: ship, or "
                    "style: Van Gogh.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="One mask per image, white where the concept is. Without masks, the whole "
                    "image is used.",
                ),
                TrainingSet.Input(
                    "other",
                    optional=True,
                    tooltip="The training set of other concepts, to train all of them together.",
                ),
            ],
            outputs=[TrainingSet.Output(display_name="training_set", tooltip="For Train Concept LoRA.")],
        )

    @classmethod
    @checked()
    def execute(cls, images, vae, concept, masks=None, other=()) -> io.NodeOutput:
        vae, concept = only(vae, "The VAE"), only(concept, "The concept of the images")
        kind, concept = split_kind(literal(concept))
        if not concept:
            raise ValueError(
                "The images have no concept, but need one: write the target they show, as in Erase Concepts."
            )
        images = _batch(images, f"images of {shown(concept)}")
        masks = None if masks is None else _batch(masks, f"masks of {shown(concept)}")
        if masks is not None and len(masks) != len(images):
            raise ValueError(
                f"There are {len(images)} images of {shown(concept)} and {len(masks)} masks, but each image "
                "needs one: connect one mask per image, or none."
            )
        if masks is not None and masks.shape[-2:] != images.shape[1:3]:
            raise ValueError(
                f"The images of {shown(concept)} are {_size(images.shape[1:3])} and their masks "
                f"{_size(masks.shape[-2:])}, but must be the same size: scale the masks."
            )
        if masks is not None:
            require_finite(
                masks,
                f"The masks of {shown(concept)} contain NaN or infinity, but must be finite: "
                "check the node they come from.",
            )
        if masks is not None and not (masks.flatten(1).amax(1) > 0).all():
            raise ValueError(
                f"A mask of {shown(concept)} is black everywhere, but must mark the concept: "
                "paint the concept white, or leave that image out."
            )
        check_interrupted()
        latents = encode(vae, images)
        masks = torch.ones(images.shape[:3]) if masks is None else masks.clamp(0, 1)
        size = size_of_latents(latents)  # the VAE crops sizes that are not multiples of a latent position
        pictures = as_bytes(_crop(images[..., :3], size))
        made = (ConceptImages(concept, latents, masks=_crop(masks, size), pictures=pictures, kind=kind),)
        for others in reversed(listed(other)):
            made = join(tuple(others), made)
        return io.NodeOutput(made)


def _batch(batches, what: str) -> torch.Tensor:
    """A batch, or a list of batches, as one batch."""
    batches = [batch for batch in listed(batches) if len(batch)]
    if not batches:
        raise ValueError(f"There are no {what}, but at least one is needed: connect it.")
    sizes = {_size(batch.shape[1:3]): None for batch in batches}
    if len(sizes) > 1:
        raise ValueError(
            f"The {what} have {len(sizes)} sizes ({', '.join(sizes)}), but must have one: scale them, "
            "for example with Upscale Image and crop 'center'."
        )
    channels = min(batch.shape[3:] for batch in batches)  # some images may have an alpha channel
    return torch.cat([batch[(..., *map(slice, channels))] for batch in batches])


def _crop(pictures, size) -> torch.Tensor:
    top, left = (pictures.shape[1] - size[0]) // 2, (pictures.shape[2] - size[1]) // 2
    return pictures[:, top : top + size[0], left : left + size[1]]


def _size(shape) -> str:
    return f"{shape[1]} x {shape[0]}"
