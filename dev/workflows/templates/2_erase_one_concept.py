"""Template 2: all three stages of MACE for one concept, images before and after, and the saved erasure."""

from dev.workflows.side_by_side import drawing
from dev.workflows.to_ui import Group, Node, Note, Out, Template

MODEL, CLIP, VAE = Out("loader", "MODEL"), Out("loader", "CLIP"), Out("loader", "VAE")
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
            "prior",
            "MACE_PreservePrior",
            at=(0, 580),
            size=(320, 260),
            inputs={"clip": CLIP, "captions": KEEP},
        ),
        Node(
            "refine",
            "MACE_CrossAttnRefine",
            at=(400, 0),
            size=(320, 170),
            inputs={"model": MODEL, "clip": CLIP, "concepts": Out("concepts"), "prior": Out("prior")},
        ),
        Node(
            "draw",
            "MACE_DrawConcepts",
            at=(400, 330),
            size=(320, 700),
            inputs={
                "model": MODEL,
                "clip": CLIP,
                "vae": VAE,
                "concepts": Out("concepts"),
                "images": 8,
                "steps": 30,
                "cfg": 4.0,
                "width": 64,
                "height": 64,
            },
        ),
        Node(
            "mask",
            "MACE_MaskConcepts",
            at=(780, 330),
            size=(320, 700),
            inputs={"training_set": Out("draw", "training_set"), "method": "attention"},
        ),
        Node(
            "train",
            "MACE_TrainConceptLoRA",
            at=(1160, 330),
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
            at=(1160, 0),
            size=(320, 150),
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
            at=(1560, 460),
            size=(320, 120),
            inputs={"model": MODEL, "erasure": Out("fuse"), "clip": CLIP},
        ),
        Node(
            "save",
            "MACE_SaveErasure",
            at=(1560, 660),
            size=(320, 140),
            inputs={"erasure": Out("fuse"), "name": "ship_to_sea"},
        ),
        Node(
            "positive",
            "CLIPTextEncode",
            at=(1560, 0),
            size=(320, 100),
            title="Prompt",
            inputs={"clip": CLIP, "text": "a photo of a ship"},
        ),
        Node(
            "negative",
            "CLIPTextEncode",
            at=(1560, 150),
            size=(320, 80),
            title="Negative prompt",
            inputs={"clip": CLIP, "text": ""},
        ),
        Node(
            "latent",
            "EmptyLatentImage",
            at=(1560, 280),
            size=(320, 106),
            inputs={"width": 64, "height": 64, "batch_size": 4},
        ),
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
