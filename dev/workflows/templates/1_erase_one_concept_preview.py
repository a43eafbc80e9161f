"""Template 1: stage 1 alone, which takes seconds; images before and after with the same seed."""

from dev.workflows.side_by_side import drawing
from dev.workflows.to_ui import Group, Node, Note, Out, Template

TEMPLATE = Template(
    nodes=(
        Node(
            "loader",
            "CheckpointLoaderSimple",
            at=(0, 0),
            size=(320, 98),
            inputs={"ckpt_name": "mace_mini_sd.safetensors"},
        ),
        Node(
            "concepts",
            "MACE_EraseConcepts",
            at=(0, 240),
            size=(320, 260),
            inputs={"concepts": "ship -> sea", "kind": "object"},
        ),
        Node(
            "refine",
            "MACE_CrossAttnRefine",
            at=(380, 240),
            size=(320, 170),
            inputs={
                "model": Out("loader", "MODEL"),
                "clip": Out("loader", "CLIP"),
                "concepts": Out("concepts"),
            },
        ),
        Node(
            "positive",
            "CLIPTextEncode",
            at=(760, 0),
            size=(320, 120),
            title="Prompt",
            inputs={"clip": Out("loader", "CLIP"), "text": "a photo of a ship"},
        ),
        Node(
            "negative",
            "CLIPTextEncode",
            at=(760, 180),
            size=(320, 100),
            title="Negative prompt",
            inputs={"clip": Out("loader", "CLIP"), "text": ""},
        ),
        Node(
            "latent",
            "EmptyLatentImage",
            at=(760, 340),
            size=(320, 106),
            inputs={"width": 64, "height": 64, "batch_size": 4},
        ),
        *drawing("before", Out("loader", "MODEL"), (1140, 0), "Before"),
        *drawing("after", Out("refine", "refined"), (1140, 400), "After"),
    ),
    groups=(
        Group("1. Load", at=(-20, -80), size=(360, 200)),
        Group("2. Erase", at=(-20, 160), size=(740, 360), color="#b06634"),
        Group("3. Generate before and after with the same seed", at=(740, -80), size=(1460, 780)),
    ),
    notes=(
        Note(
            "Press **Run**. Generates images with the bundled miniature before and after the erasure, at "
            "the same seed. "
            "The concept is erased in closed form only (stage 1), which takes seconds.\n\n"
            "For another concept, change *Erase Concepts* and the prompt. For your own model, choose an "
            "SD1.x, SD2.x or SDXL checkpoint and set its size in *Empty Latent Image*.\n\n"
            "For all three stages, open the template *2_erase_one_concept*.",
            at=(0, 580),
            size=(700, 120),
            title="What this does",
        ),
    ),
)
