"""Generates the training images of each concept with the original model."""

import torch
from comfy_api.latest import io

from .arrived import checked
from .host.images import shown_images
from .host.patch import cross_attention_layers, refuse_erased
from .host.progress import Progress
from .host.sampling import check_vae
from .host.text_encoder import HostTextEncoder
from .inputs import cfg_input, clip_input, seed_input, steps_input, vae_input
from .sockets import CATEGORY, Concepts, TrainingSet, at_least, found_as, prompt_of, shows_results
from .work.drawing import drawn


class DrawConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_DrawConcepts",
            display_name="Draw Concepts",
            category=CATEGORY,
            **found_as("training images", "generate images", "dataset"),
            **shows_results(),
            description="Generates images of each concept with the original model: the training "
            "images of its LoRA.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The original MODEL, without any erasure: it must still know the concepts.",
                ),
                clip_input(),
                vae_input(),
                Concepts.Input("concepts", tooltip="From Erase Concepts."),
                io.Int.Input(
                    "images", default=8, min=1, max=64, tooltip="Images per concept. The paper uses 8."
                ),
                steps_input("Sampling steps per image. The paper uses 30; 20 are enough for a preview."),
                cfg_input(advanced=False),
                seed_input("The same seed generates the same images."),
                io.Int.Input(
                    "width",
                    default=512,
                    min=64,
                    max=2048,
                    step=8,
                    tooltip="The size the model was trained for: 512 for SD1.x, 768 for SD2.x, 1024 for "
                    "SDXL, 64 for the miniature.",
                ),
                io.Int.Input("height", default=512, min=64, max=2048, step=8, tooltip="See width."),
            ],
            hidden=[io.Hidden.prompt],
            outputs=[
                TrainingSet.Output(
                    display_name="training_set", tooltip="The images as latents, for Mask Concepts."
                ),
                io.Image.Output(display_name="images", tooltip="The images, in the order of the concepts."),
            ],
        )

    @classmethod
    def validate_inputs(cls, images) -> bool | str:
        return at_least(images, 1, "The number of images per concept")

    @classmethod
    @checked()
    def execute(cls, model, clip, vae, concepts, images, steps, cfg, seed, width, height) -> io.NodeOutput:
        cross_attention_layers(model)
        check_vae(vae)
        refuse_erased(model, concepts, "connect the original MODEL, from before that erasure")
        settings = {"images": images, "steps": steps, "cfg": cfg, "seed": seed, "size": [width, height]}
        training_set = drawn(model, HostTextEncoder(clip), vae, concepts, settings, prompt_of(cls))
        pictures = torch.cat([each.pictures for each in training_set]).float() / 255
        return io.NodeOutput(
            training_set, pictures, ui=shown_images(pictures, cls, Progress("Draw concepts", 1).warn)
        )
