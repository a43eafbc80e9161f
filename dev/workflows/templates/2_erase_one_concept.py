"""Template 2: all three stages of MACE for one concept, images before and after, and the saved erasure."""

from dev.workflows.parts import (
    MODEL,
    apply_and_save,
    concepts,
    fuse,
    latent,
    loader,
    prior,
    prompt,
    refine,
    stage_2,
)
from dev.workflows.side_by_side import drawing
from dev.workflows.to_ui import Group, Note, Out, Template

THINGS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "truck",
    "cow",
    "fish",
    "butterfly",
    "apple",
    "banana",
    "bread",
    "pizza",
    "cake",
    "clock",
    "book",
    "guitar",
    "bus",
    "train",
    "house",
    "tree",
    "rose",
    "hat",
    "shoe",
    "key",
    "camera",
    "moon",
    "person",
)
PLACES = ("sea", "sky", "street", "ground", "meadow", "desert", "snow", "night", "beach", "table", "wall")
KEEP = "\n".join(f"a photo of the {name}" for name in (*THINGS, *PLACES))

TEMPLATE = Template(
    nodes=(
        loader(),
        concepts("ship -> sea", (0, 240)),
        prior((0, 580), (320, 260), captions=KEEP),
        refine((400, 0), (320, 170)),
        *stage_2((400, 330), images=8, steps=30),
        fuse((1160, 0), (320, 150)),
        *apply_and_save((1560, 460), (1560, 660), "ship_to_sea"),
        prompt("positive", "a photo of a ship", "Prompt", (1560, 0), 100),
        prompt("negative", "", "Negative prompt", (1560, 150), 80),
        latent((1560, 280), 4),
        *drawing("before", MODEL, (1960, 0), "Before"),
        *drawing("after", Out("apply", "erased"), (1960, 460), "After"),
    ),
    groups=(
        Group("Load", at=(-20, -80), size=(360, 200)),
        Group("Concepts to erase and preserve", at=(-20, 160), size=(360, 700), color="#b06634"),
        Group("Stage 1: closed form", at=(380, -80), size=(360, 290), color="#a1309b"),
        Group("Stage 2: one LoRA per concept", at=(380, 250), size=(1120, 800), color="#a1309b"),
        Group("Stage 3: fusion", at=(1140, -80), size=(360, 290), color="#a1309b"),
        Group("Apply and save", at=(1540, 400), size=(360, 460), color="#8a8"),
        Group("Prompt", at=(1540, -80), size=(360, 470)),
        Group("Generate before and after", at=(1940, -80), size=(1080, 940)),
    ),
    notes=(
        Note(
            "Press **Run**. Runs all three stages of MACE on the bundled miniature: refines the words "
            "around *ship* in closed form, trains a small LoRA that turns attention away from ships, and "
            "fuses both.\n\n"
            "For another concept, change *Erase Concepts*, the prompt and the name in *Save Erasure*, and "
            "delete the concept from *Preserve Prior*. For several concepts, write one per line.",
            at=(780, 0),
            size=(320, 210),
            title="What this does",
        ),
        Note(
            "*Save Erasure* writes one small file to `models/mace`. Use *Load Erasure* and "
            "*Apply Erased Model* to apply it to any checkpoint with the same text encoder.\n\n"
            "For your own model, choose an SD1.x, SD2.x or SDXL checkpoint. In *Draw Concepts* and "
            "*Empty Latent Image*, set its size (512, 768 or 1024). Set cfg to 7.5.",
            at=(1560, 900),
            size=(700, 150),
            title="Next steps",
        ),
    ),
)
