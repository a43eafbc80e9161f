"""A block: stage 1 of MACE alone, which takes seconds."""

from dev.workflows.blueprint import Blueprint
from dev.workflows.parts import CLIP, MODEL, PRESERVE, SHIP, concepts, in_block, prior, refine
from dev.workflows.to_ui import In, Node, Out

BLUEPRINT = Blueprint(
    name="Erase concepts, preview (MACE)",
    description="Erases a list of concepts from a MODEL in seconds, in closed form (stage 1 of MACE). Shows "
    "whether list and surrogates are right before all three stages run.",
    aliases=("unlearn", "forget", "remove concept", "concept erasure", "UCE"),
    nodes=in_block(
        (
            concepts("ship -> sea", (0, 0)),
            prior((0, 320), (320, 380)),
            refine((400, 0), (320, 260)),
            Node(
                "apply",
                "MACE_ApplyErasedModel",
                (800, 0),
                {"model": MODEL, "erasure": Out("refine", "erasure"), "clip": CLIP},
                (320, 150),
            ),
        ),
        {
            "concepts": {"concepts": In("concepts", SHIP), "kind": In("kind")},
            "prior": {"captions": "", "names": In("preserve", PRESERVE), "everyday": In("everyday")},
        },
    ),
    inputs=("model", "clip", "concepts", "kind", "preserve", "everyday"),
    outputs={
        "erased": Out("apply"),
        "erasure": Out("refine", "erasure"),
        "concepts": Out("concepts"),
    },
    size=(400, 420),
)
