"""Template 9: an erasure with its scores and attention maps, before and after."""

from dev.workflows.layout import (
    BROWN,
    TOP,
    VIOLET,
    WIDTH,
    Part,
    box,
    column,
    evidence,
    gutter,
    lane,
    latent_of,
    template,
)
from dev.workflows.parts import CLIP, MODEL, VAE, concepts, prior, refine
from dev.workflows.to_ui import Group, Node, Out

REFINED = Out("refine", "refined")
KEEP = "\n".join(
    f"a photo of a {name}"
    for name in ("cat", "dog", "horse", "bird", "car", "house", "tree", "flower", "person", "mountain")
)
RIGHT = column(4) + 270  # of the scores
BESIDE, BELOW = RIGHT - 50, 1176  # of Score Erasure: where wires pass

ERASURE = Part(
    (
        Node(
            "suggest",
            "MACE_SuggestSurrogate",
            (column(1), 0),
            {"clip": CLIP, "targets": "ship -> sea", "kind": "object", "keep": "cat\ndog"},
            (WIDTH, 400),
        ),
        prior((column(1), 540), (WIDTH, 420), captions=KEEP),
        concepts(Out("suggest", "concepts"), (column(2), 0), (WIDTH, 260)),
        refine((column(2), 400), (WIDTH, 240)),
    ),
    (
        box("Suggest a surrogate", 1, 0, 400, BROWN),
        box("What to preserve", 1, 540, 960, BROWN),
        box("Concepts", 2, 0, 260, BROWN),
        box("Erase (stage 1)", 2, 400, 640, VIOLET),
    ),
    {
        ("prior", "clip"): ((gutter(1), 540),),
        ("refine", "concepts"): ((gutter(3) - 30, 300), (gutter(2) + 30, 300)),
        ("refine", "model"): lane("model", 2, 400),
        ("refine", "clip"): lane("clip", 2, 400),
    },
)
ATTENTION = Part(
    (
        Node("chart", "PreviewImage", (RIGHT, 0), {"images": Out("evidence", "chart")}, (640, 440), "Scores"),
        Node(
            "look",
            "MACE_ViewAttention",
            (RIGHT, 520),
            {"before": MODEL, "clip": CLIP, "vae": VAE, "latent": Out("latent"), "after": REFINED}
            | {"prompt": "a photo of a ship", "seed": 7, "steps": 20, "cfg": 4.0},
            (640, 600),
        ),
    ),
    (Group("Scores and attention maps", (RIGHT - 20, TOP), (680, 1220), BROWN),),
    {
        ("look", "before"): lane("model", 3, 540, end=BESIDE),
        ("look", "clip"): lane("clip", 3, 560, end=BESIDE),
        ("look", "vae"): lane("vae", 3, 580, end=BESIDE),
        ("look", "latent"): ((gutter(3) + 18, BELOW + 20), (BESIDE + 18, BELOW + 20)),
        ("look", "after"): ((gutter(3) - 18, BELOW), (BESIDE, BELOW)),
    },
)

TEMPLATE = template(
    "Press **Run**. Erases *ship* in closed form. The judge classifies images of both models, and the "
    "attention maps show where the U-Net attends to each word.\n\n"
    "**Your own erasure:** connect its MODEL to *after*. Two images per prompt give a first impression; use "
    "20 for an estimate.\n\n"
    "**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint, set its size in *Empty Latent Image* and "
    "cfg to 7.5. Put a CLIP folder into `models/mace/judges` and choose it as the judge.",
    ERASURE,
    latent_of(2, 780),
    evidence(
        "MACE_ScoreErasure",
        3,
        "Score with the judge",
        1120,
        after=REFINED,
        images=2,
        steps=15,
        keep="airplane\nautomobile\nhorse\ncat\ntree",
        prior=Out("prior"),
    ),
    ATTENTION,
)
