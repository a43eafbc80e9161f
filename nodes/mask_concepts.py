"""Masks each concept in its training images."""

import torch
from comfy_api.latest import io

from ..mace_core.training.masks import one_size
from .arrived import checked
from .host.images import shown_images
from .host.progress import Progress
from .host.segmenters import DETECTOR, SEGMENTER, choices
from .inputs import expert
from .sockets import CATEGORY, TrainingSet, found_as, shows_results
from .work.masking import attention_masks, given_masks, segmented_masks, whole_images, with_masks

METHODS = ("attention", "whole image", "grounded-sam")


class MaskConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_MaskConcepts",
            display_name="Mask Concepts",
            category=CATEGORY,
            **found_as("segment", "SAM", "GroundingDINO", "attention mask"),
            **shows_results(),
            description="Masks each concept in its training images. Train Concept LoRA removes "
            "attention to the concept inside the masks only.",
            inputs=[
                TrainingSet.Input("training_set", tooltip="From Draw Concepts or Training Set From Images."),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default=METHODS[0],
                    tooltip="attention: where the model attends to the concept. grounded-sam: "
                    "GroundingDINO and SAM. Styles: always the whole image.",
                ),
                expert(
                    io.Float,
                    "threshold",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="attention: minimum fraction of the attention range for the mask. 0 chooses "
                    "it per image (Otsu).",
                ),
                expert(
                    io.Float,
                    "box_threshold",
                    default=0.35,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="grounded-sam: minimum detector confidence that a box shows the concept. "
                    "Lower it if nothing is found.",
                ),
                expert(
                    io.Float,
                    "text_threshold",
                    default=0.25,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="grounded-sam: minimum confidence for each word in the box, so that 'red car' "
                    "does not select a blue one.",
                ),
                expert(
                    io.Float,
                    "mask_threshold",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="grounded-sam: minimum segmenter confidence for a pixel. Lower values make "
                    "larger masks.",
                ),
                expert(
                    io.Combo,
                    "detector",
                    options=choices(DETECTOR),
                    default="auto",
                    optional=True,
                    tooltip="grounded-sam: the GroundingDINO model. auto: the first in "
                    "models/mace/segmenters or the Hugging Face cache.",
                ),
                expert(
                    io.Combo,
                    "segmenter",
                    options=choices(SEGMENTER),
                    default="auto",
                    optional=True,
                    tooltip="grounded-sam: the SAM model. auto: the first one found.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Masks from another segmenter, used instead of the method: one per image, in "
                    "the order of the training set.",
                ),
            ],
            outputs=[
                TrainingSet.Output(
                    display_name="training_set",
                    tooltip="The images with masks, without those that do not show their concept.",
                ),
                io.Mask.Output(
                    display_name="masks",
                    tooltip="One mask per image, in the same order; black where the concept is not found.",
                ),
            ],
        )

    @classmethod
    @checked("detector", "segmenter")
    def execute(
        cls,
        training_set,
        method,
        threshold=0.0,
        box_threshold=0.35,
        text_threshold=0.25,
        mask_threshold=0.5,
        detector="auto",
        segmenter="auto",
        masks=None,
    ) -> io.NodeOutput:
        local = [images for images in training_set if not images.whole_image]
        progress = Progress("Mask concepts", 2 * sum(len(images.latents) for images in local))
        if masks is not None:
            found = given_masks(training_set, masks)
        elif method == "whole image":
            found = whole_images(training_set)
        elif method == "attention":
            found = attention_masks(local, threshold)
        else:
            found = segmented_masks(
                local, (box_threshold, text_threshold, mask_threshold), (detector, segmenter), progress
            )
        found |= whole_images(images for images in training_set if images.whole_image)
        masked = tuple(with_masks(images, found[images.target], progress) for images in training_set)
        shown = one_size([_overlay(images, found[images.target]) for images in training_set])
        masks = one_size([found[images.target] for images in training_set])
        return io.NodeOutput(masked, masks, ui=shown_images(shown, cls, progress.warn))


def _overlay(images, masks) -> torch.Tensor:
    """The images, dimmed outside the mask."""
    shade = 0.25 + 0.75 * masks.unsqueeze(-1)
    return shade.expand(-1, -1, -1, 3) if images.pictures is None else images.pictures.float() / 255 * shade
