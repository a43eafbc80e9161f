"""Template 7: an erasure on top of a LoRA, and images generated from images."""

from dataclasses import replace

from dev.workflows.layout import (
    BROWN,
    GREEN,
    MODEL,
    SECOND,
    VIOLET,
    WIDTH,
    Part,
    before_and_after,
    box,
    column,
    gutter,
    lane,
    template,
)
from dev.workflows.parts import CLIP, VAE, concepts, prompt, refine, stage_2
from dev.workflows.to_ui import Node, Out

STYLED, WORDS = Out("lora", "MODEL"), Out("lora", "CLIP")
LORA = {"model": MODEL, "clip": CLIP, "lora_name": "mace_mini_cyanotype.safetensors"}


def styled(node: Node) -> Node:
    """The node with MODEL and CLIP from the LoRA's loader."""
    swapped = {MODEL: STYLED, CLIP: WORDS}
    wired = {
        name: swapped.get(value, value) if isinstance(value, Out) else value
        for name, value in node.inputs.items()
    }
    return replace(node, inputs=wired)


def input_images() -> Node:
    draw = stage_2((column(2), SECOND), 4, 20, size=(WIDTH, 480))[0]
    return replace(draw, title="Input images (Draw Concepts)")


TEMPLATE = template(
    "Press **Run**. Generates images of ships, and new images from these (img2img), with a LoRA that prints "
    "in blue: before and after *ship* is erased. The LoRA stays active, because it comes before the "
    "erasure.\n\n"
    "**Your own images:** put *Load Image* in place of *Draw Concepts*. *denoise* says how much changes.\n\n"
    "**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint and a LoRA for it, and set cfg to 7.5. "
    "Bypass *Enlarge*. An erasure from *Load Erasure* works too: put *Apply Erased Model* after the LoRA.",
    Part(
        (
            Node("lora", "LoraLoader", (column(1), 0), LORA, (WIDTH, 126)),
            concepts("ship -> sea", (column(1), SECOND), (WIDTH, 250)),
            styled(refine((column(2), 0), (WIDTH, 220), with_prior=False)),
            input_images(),
            styled(prompt("positive", "a photo of a ship", "Prompt", (column(3), 0), (WIDTH, 90))),
            styled(prompt("negative", "", "Negative prompt", (column(3), 140), (WIDTH, 80))),
            Node(
                "latent",
                "VAEEncode",
                (column(3), SECOND),
                {"pixels": Out("draw", "images"), "vae": VAE},
                (WIDTH, 46),
            ),
        ),
        (
            box("LoRA", 1, 0, 126, VIOLET),
            box("What to erase", 1, SECOND, SECOND + 250, BROWN),
            box("Erase (stage 1)", 2, 0, 220, BROWN),
            box("Images to start from", 2, SECOND, SECOND + 510, GREEN, last=3),
            box("Prompt", 3, 0, 220),
        ),
        {
            ("refine", "concepts"): ((gutter(2), SECOND),),
            ("draw", "model"): lane("model", 2, SECOND - 20),
            ("draw", "clip"): lane("clip", 2, SECOND),
            ("draw", "vae"): lane("vae", 2, SECOND + 20),
            ("latent", "vae"): lane("vae", 3, SECOND),
            ("positive", "clip"): lane("clip", 3, start=2),
            ("negative", "clip"): lane("clip", 3, 140, start=2),
            ("before", "model"): lane("model", 4, start=2),
            ("after", "model"): ((gutter(3), 290), (gutter(4), 290)),
        },
    ),
    before_and_after(Out("refine", "refined"), 4, STYLED, denoise=0.9),
)
