"""Where each concept is in its pictures."""

from dataclasses import replace

import torch
from comfy_api.latest import io, ui

from ..mace_core.masks import heat_to_mask
from ._sockets import CATEGORY, TrainingSet, expert

METHODS = ("attention", "whole image")


class MaskConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_MaskConcepts",
            display_name="Mask Concepts",
            category=CATEGORY,
            description="Marks where each concept is in its pictures: "
                        "attention to it is trained away there only.",
            inputs=[
                TrainingSet.Input("training_set", tooltip="From Draw Concepts."),
                io.Combo.Input(
                    "method", options=list(METHODS), default=METHODS[0],
                    tooltip="attention: where the model looked while reading the concept's words. "
                            "whole image: everywhere, for styles. "
                            "For masks of a segmenter use Training Set From Images."),
                expert(io.Float, "threshold", default=0.0, min=0.0, max=1.0, step=0.05,
                       tooltip="Attention above this share of its range is inside the mask. "
                               "0 chooses it for every picture (Otsu)."),
            ],
            outputs=[
                TrainingSet.Output(display_name="training_set", tooltip="The same pictures with masks."),
                io.Mask.Output(display_name="masks", tooltip="The masks, in the order of the pictures."),
            ],
        )

    @classmethod
    def execute(cls, training_set, method, threshold=0.0):
        masked = tuple(replace(images, masks=_masks(images, method, threshold)) for images in training_set)
        masks = torch.cat([images.masks for images in masked])
        shown = torch.cat([_overlay(images) for images in masked])
        return io.NodeOutput(masked, masks, ui=ui.PreviewImage(shown, cls=cls))


def _masks(images, method, threshold):
    if method == "whole image":
        return torch.ones(len(images.latents), *images.size)
    if images.heat is None:
        raise ValueError(f"The pictures of '{images.target}' were not drawn by Draw Concepts, "
                         "so there is no attention to make masks from: "
                         "choose 'whole image', or give masks to Training Set From Images.")
    mask = heat_to_mask(images.heat, threshold)
    return mask.repeat_interleave(8, -2).repeat_interleave(8, -1)


def _overlay(images):
    """The pictures, dimmed outside the mask."""
    shade = 0.25 + 0.75 * images.masks.unsqueeze(-1)
    return shade.expand(-1, -1, -1, 3) if images.pictures is None else images.pictures.float() / 255 * shade
