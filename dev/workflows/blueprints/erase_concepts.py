"""A block: all three stages of MACE."""

from dev.workflows.blueprint import Blueprint
from dev.workflows.parts import CLIP, MODEL, PRESERVE, SHIP, concepts, fuse, in_block, prior, refine, stage_2
from dev.workflows.to_ui import In, Node, Out

BLUEPRINT = Blueprint(
    name="Erase concepts (MACE)",
    description="Erases a list of concepts from a MODEL with all three stages of MACE. Connect MODEL, CLIP "
    "and VAE of one checkpoint, write one concept per line, and list the names to preserve.",
    aliases=("unlearn", "forget", "remove concept", "concept erasure"),
    nodes=in_block(
        (
            concepts("ship -> sea", (0, 0)),
            prior((0, 320), (320, 380)),
            refine((400, 0), (320, 260)),
            *stage_2((400, 320), images=8, steps=30),
            fuse((1160, 0), (320, 260)),
            Node(
                "apply",
                "MACE_ApplyErasedModel",
                (1560, 0),
                {"model": MODEL, "erasure": Out("fuse"), "clip": CLIP},
                (320, 150),
            ),
        ),
        {
            "concepts": {"concepts": In("concepts", SHIP), "kind": In("kind")},
            "prior": {"captions": "", "names": In("preserve", PRESERVE), "everyday": In("everyday")},
            "draw": {name: In(name) for name in ("images", "steps", "cfg", "width", "height")},
        },
    ),
    inputs=(
        "model",
        "clip",
        "vae",
        "concepts",
        "kind",
        "preserve",
        "everyday",
        "images",
        "steps",
        "cfg",
        "width",
        "height",
    ),
    outputs={"erased": Out("apply"), "erasure": Out("fuse"), "concepts": Out("concepts")},
    size=(400, 560),
)
