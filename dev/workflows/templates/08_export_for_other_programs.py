"""Template 8: one erasure in every form that other programs read."""

from dev.workflows.layout import GREEN, TOP, Part, closed_form, column, gutter, lane, template
from dev.workflows.parts import CLIP, MODEL, VAE
from dev.workflows.to_ui import Group, Node, Out

HEIGHT, STEP = 250, 310
LEFT = column(3) + 40
FORMATS = {"LoRA": "lora", "full difference": "full", "PEFT adapter": "peft"}


def export(number: int, value: str, name: str) -> Part:
    inputs = {
        "model": MODEL,
        "erasure": Out("refine", "erasure"),
        "format": value,
        "name": f"ship_to_sea_{name}",
    }
    top, node = number * STEP, f"export_{name}"
    return Part(
        (Node(node, "MACE_ExportErasure", (LEFT, top), inputs, (460, HEIGHT), f"Export Erasure: {value}"),),
        routes={
            (node, "model"): lane("model", 3, top or None),
            (node, "erasure"): ((gutter(3) + 48, 34), (gutter(3) + 48, top + 34)) if top else (),
        },
    )


MERGED = Part(
    (
        Node(
            "merged",
            "CheckpointSave",
            (LEFT, 3 * STEP),
            {
                "model": Out("refine", "refined"),
                "clip": CLIP,
                "vae": VAE,
                "filename_prefix": "mace/ship_to_sea_merged",
            },
            (460, 98),
            "Save Checkpoint: merged",
        ),
    ),
    (Group("Export to output/mace", (LEFT - 20, TOP), (500, 3 * STEP + 198), GREEN),),
    {
        ("merged", "model"): ((gutter(3) + 32, 40), (gutter(3) + 32, 3 * STEP)),
        ("merged", "clip"): lane("clip", 3, 3 * STEP),
        ("merged", "vae"): lane("vae", 3, 3 * STEP),
    },
)

TEMPLATE = template(
    "Press **Run**. Exports one erasure four times, to `output/mace`.\n\n"
    "**LoRA:** most programs. **Full difference:** exact, large, for *Load LoRA*. **PEFT adapter:** peft and "
    "diffusers. **Merged checkpoint:** every program that loads checkpoints.\n\n"
    "**Your own erasure:** connect *Load Erasure* or *Fuse Concept LoRAs* to *erasure*, and *Apply Erased "
    "Model* (linear) to *Save Checkpoint*. Delete the exports that you do not need.\n\n"
    "**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint.",
    closed_form("ship -> sea", 250),
    *(export(number, *each) for number, each in enumerate(FORMATS.items())),
    MERGED,
)
