"""Template 3: a dozen concepts of three kinds at once; results are cached, so that the list can grow."""

from dev.workflows.side_by_side import SAMPLING
from dev.workflows.to_ui import Group, Node, Note, Out, Template

MODEL, CLIP, VAE = Out("loader", "MODEL"), Out("loader", "CLIP"), Out("loader", "VAE")
CONCEPTS = """# target (synonyms) -> surrogate
ship (vessel, boat) -> sea
horse (steed, mount) -> meadow
fox (red fox) -> meadow
lion (lioness) -> desert
penguin -> snow
owl -> night
elephant (pachyderm) -> desert
rose -> meadow
banana -> table
person: Mira Vance -> a person
person: Rufus Marlow -> a person
style: sepia (vintage) -> colour"""
KEEP = """cat
dog
automobile
airplane
tree
house
person: Nadia Quist
person: Oscar Tanaka
style: black and white"""
X = 2000  # left edge of the nodes that generate images


def drawing(name: str, prompt: str, title: str, y: int) -> tuple[Node, ...]:
    """Nodes that generate one prompt with the original and the erased model at the same seed."""
    nodes = [
        Node(
            f"text_{name}",
            "CLIPTextEncode",
            at=(X, y),
            size=(320, 100),
            title=title,
            inputs={"clip": CLIP, "text": prompt},
        )
    ]
    for side, (model, x) in {"before": (MODEL, X + 360), "after": (Out("apply", "erased"), X + 1100)}.items():
        nodes += [
            Node(
                f"sample_{name}_{side}",
                "KSampler",
                at=(x, y),
                size=(300, 262),
                title=f"KSampler: {side}",
                inputs={
                    "model": model,
                    "positive": Out(f"text_{name}"),
                    "negative": Out("negative"),
                    "latent_image": Out("latent"),
                    **SAMPLING,
                },
            ),
            Node(
                f"decode_{name}_{side}",
                "VAEDecode",
                at=(x, y + 320),
                size=(200, 46),
                inputs={"samples": Out(f"sample_{name}_{side}"), "vae": VAE},
            ),
            Node(
                f"show_{name}_{side}",
                "PreviewImage",
                at=(x + 340, y),
                size=(360, 380),
                title=f"{title}, {side}",
                inputs={"images": Out(f"decode_{name}_{side}")},
            ),
        ]
    return tuple(nodes)


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
            size=(380, 480),
            inputs={"concepts": CONCEPTS, "kind": "object"},
        ),
        Node(
            "prior",
            "MACE_PreservePrior",
            at=(0, 820),
            size=(380, 460),
            inputs={"clip": CLIP, "captions": "", "names": KEEP},
        ),
        Node(
            "refine",
            "MACE_CrossAttnRefine",
            at=(460, 0),
            size=(320, 200),
            inputs={"model": MODEL, "clip": CLIP, "concepts": Out("concepts"), "prior": Out("prior")},
        ),
        Node(
            "draw",
            "MACE_DrawConcepts",
            at=(460, 360),
            size=(320, 700),
            inputs={
                "model": MODEL,
                "clip": CLIP,
                "vae": VAE,
                "concepts": Out("concepts"),
                "images": 4,
                "steps": 20,
                "cfg": 4.0,
                "width": 64,
                "height": 64,
            },
        ),
        Node(
            "mask",
            "MACE_MaskConcepts",
            at=(840, 360),
            size=(320, 700),
            inputs={"training_set": Out("draw", "training_set"), "method": "attention"},
        ),
        Node(
            "train",
            "MACE_TrainConceptLoRA",
            at=(1220, 360),
            size=(320, 700),
            inputs={
                "refined": Out("refine", "refined"),
                "clip": CLIP,
                "concepts": Out("concepts"),
                "training_set": Out("mask", "training_set"),
            },
        ),
        Node(
            "fuse",
            "MACE_FuseLoRAs",
            at=(1220, 0),
            size=(320, 180),
            inputs={
                "clip": CLIP,
                "refined": Out("refine", "erasure"),
                "concept_loras": Out("train", "concept_loras"),
                "prior": Out("prior"),
            },
        ),
        Node(
            "apply",
            "MACE_ApplyErasedModel",
            at=(1600, 0),
            size=(320, 120),
            inputs={"model": MODEL, "erasure": Out("fuse"), "clip": CLIP},
        ),
        Node(
            "save",
            "MACE_SaveErasure",
            at=(1600, 200),
            size=(320, 140),
            inputs={"erasure": Out("fuse"), "name": "a_dozen"},
        ),
        Node(
            "negative",
            "CLIPTextEncode",
            at=(1600, 480),
            size=(320, 80),
            title="Negative prompt",
            inputs={"clip": CLIP, "text": ""},
        ),
        Node(
            "latent",
            "EmptyLatentImage",
            at=(1600, 620),
            size=(320, 106),
            inputs={"width": 64, "height": 64, "batch_size": 4},
        ),
        *drawing("erased", "a photo of a fox", "Erased concept", 0),
        *drawing("kept", "a photo of a cat", "Preserved concept", 480),
    ),
    groups=(
        Group("Load", at=(-20, -80), size=(420, 200)),
        Group("Concepts to erase and preserve", at=(-20, 160), size=(420, 1140), color="#b06634"),
        Group("Stage 1: closed form", at=(440, -80), size=(360, 310), color="#a1309b"),
        Group("Stage 2: one LoRA per concept", at=(440, 280), size=(1120, 800), color="#a1309b"),
        Group("Stage 3: fusion", at=(1200, -80), size=(360, 310), color="#a1309b"),
        Group("Apply and save", at=(1580, -80), size=(360, 450), color="#8a8"),
        Group("Prompt", at=(1580, 400), size=(360, 350)),
        Group("Generate before and after", at=(X - 20, -80), size=(1840, 970)),
    ),
    notes=(
        Note(
            "Press **Run**. Erases nine objects, two people and one style from the bundled miniature at "
            "once. Each kind has its own prompts and masks.",
            at=(840, 0),
            size=(320, 180),
            title="What this does",
        ),
        Note(
            "Add or delete a line and run again. Training images and LoRAs of the other concepts are cached "
            "in `models/mace/drawn` and `models/mace/concepts`, so only new concepts need images and "
            "training. A run that was stopped or killed continues where it ended.\n\n"
            "For hundreds of concepts, choose a CSV, JSON or YAML file in *Erase Concepts*.",
            at=(1580, 800),
            size=(360, 260),
            title="Change the list",
        ),
    ),
)
