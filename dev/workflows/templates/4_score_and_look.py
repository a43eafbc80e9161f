"""Template 4: an erasure with its scores and attention maps, before and after."""

from dev.workflows.parts import CLIP, MODEL, VAE, concepts, latent, loader, prior, refine
from dev.workflows.to_ui import Group, Node, Note, Out, Template

KEEP = "\n".join(
    f"a photo of a {name}"
    for name in ("cat", "dog", "horse", "bird", "car", "house", "tree", "flower", "person", "mountain")
)

TEMPLATE = Template(
    nodes=(
        loader(),
        Node(
            "suggest",
            "MACE_SuggestSurrogate",
            at=(0, 240),
            size=(320, 400),
            inputs={"clip": CLIP, "targets": "ship -> sea", "kind": "object", "keep": "cat\ndog"},
        ),
        concepts(Out("suggest", "concepts"), (400, 0)),
        prior((400, 360), (320, 460), captions=KEEP),
        refine((400, 920), (320, 260)),
        latent((0, 700), 1),
        Node(
            "score",
            "MACE_ScoreErasure",
            at=(800, 0),
            size=(560, 1240),
            inputs={
                "before": MODEL,
                "after": Out("refine", "refined"),
                "clip": CLIP,
                "vae": VAE,
                "concepts": Out("concepts"),
                "latent": Out("latent"),
                "images": 2,
                "seed": 7,
                "steps": 15,
                "cfg": 4.0,
                "keep": "airplane\nautomobile\nhorse\ncat\ntree",
            },
        ),
        Node(
            "chart",
            "PreviewImage",
            at=(1440, 0),
            size=(680, 560),
            title="Scores",
            inputs={"images": Out("score", "chart")},
        ),
        Node(
            "look",
            "MACE_ViewAttention",
            at=(1440, 640),
            size=(680, 600),
            inputs={
                "before": MODEL,
                "clip": CLIP,
                "vae": VAE,
                "latent": Out("latent"),
                "after": Out("refine", "refined"),
                "prompt": "a photo of a ship",
                "seed": 7,
                "steps": 20,
                "cfg": 4.0,
            },
        ),
    ),
    groups=(
        Group("Load", at=(-20, -80), size=(360, 200)),
        Group("Suggest a surrogate", at=(-20, 160), size=(360, 500)),
        Group("Erase (stage 1)", at=(380, -80), size=(360, 1340), color="#a1309b"),
        Group("Score with the judge", at=(780, -80), size=(600, 1340), color="#8a8"),
        Group("Scores and attention maps", at=(1420, -80), size=(720, 1340), color="#b06634"),
    ),
    notes=(
        Note(
            "Press **Run**. Erases *ship* in closed form. The judge classifies the images of both models, "
            "and the attention maps show where the U-Net attends to each word.\n\n"
            "Instead of stage 1, you can connect any erased MODEL to *after*, such as that of "
            "*Apply Erased Model*. Two images per prompt give a first impression; use 20 for an estimate. "
            "For your own model, put a CLIP folder into `models/mace/judges` and choose it as the judge. "
            "Scores and settings are saved in `output/mace`.",
            at=(0, 880),
            size=(320, 360),
            title="What this does",
        ),
    ),
)
