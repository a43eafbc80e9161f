"""Template 1: stage 1 alone, which takes seconds; images before and after with the same seed."""

from dev.workflows.parts import MODEL, concepts, latent, loader, prompt, refine
from dev.workflows.side_by_side import drawing
from dev.workflows.to_ui import Group, Note, Out, Template

TEMPLATE = Template(
    nodes=(
        loader(),
        concepts("ship -> sea", (0, 240)),
        refine((380, 240), (320, 170), with_prior=False),
        prompt("positive", "a photo of a ship", "Prompt", (760, 0), 120),
        prompt("negative", "", "Negative prompt", (760, 180), 100),
        latent((760, 340), 4),
        *drawing("before", MODEL, (1140, 0), "Before"),
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
