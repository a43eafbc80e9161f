"""A block: scores, images before and after, and attention maps of an erasure."""

from dev.workflows.blueprint import Blueprint
from dev.workflows.to_ui import In, Node, Out

SOCKETS = {name: In(name) for name in ("before", "after", "clip", "vae", "latent")}
KEEP = "# concepts to preserve, one per line\ncat\ndog\nhorse"
SAMPLING = {"seed": In("seed"), "steps": In("steps"), "cfg": In("cfg")}

BLUEPRINT = Blueprint(
    name="Prove it (MACE)",
    description="Generates images with the original and the erased MODEL at the same seeds, classifies them "
    "with CLIP, reports the paper's metrics, and shows where the U-Net attends to each word. Connect grid, "
    "chart and maps to Preview Image.",
    aliases=("evaluate", "benchmark", "metrics", "score erasure", "attention map"),
    nodes=(
        Node(
            "score",
            "MACE_ScoreErasure",
            (0, 0),
            {**SOCKETS, **SAMPLING, "concepts": In("concepts")}
            | {"keep": In("keep", KEEP), "judge": In("judge"), "images": In("images")}
            | {"never_named": In("never_named"), "prior": In("prior")},
            (400, 900),
        ),
        Node(
            "look",
            "MACE_ViewAttention",
            (480, 0),
            {**SOCKETS, **SAMPLING, "prompt": In("prompt")},
            (400, 600),
        ),
        Node("chart", "PreviewImage", (960, 0), {"images": Out("score", "chart")}, (400, 300)),
    ),
    inputs=(
        *SOCKETS,
        "concepts",
        "keep",
        "judge",
        "images",
        "prompt",
        "seed",
        "steps",
        "cfg",
        "never_named",
        "prior",
    ),
    outputs={
        "table": Out("score", "table"),
        "grid": Out("score", "grid"),
        "chart": Out("score", "chart"),
        "maps": Out("look", "maps"),
    },
    preview="chart",
    size=(420, 800),
)
