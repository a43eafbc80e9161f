"""Template 3: a dozen concepts of three kinds at once; results are cached, so that the list can grow."""

from dev.workflows.parts import (
    MODEL,
    VAE,
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
from dev.workflows.side_by_side import SAMPLING
from dev.workflows.to_ui import Group, Node, Note, Out, Template

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


def both_sides(name: str, text: str, title: str, y: int) -> tuple[Node, ...]:
    """Nodes that generate one prompt with the original and the erased model at the same seed."""
    nodes = [prompt(f"text_{name}", text, title, (X, y), 100)]
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
        loader(),
        concepts(CONCEPTS, (0, 240), (380, 480)),
        prior((0, 820), (380, 460), captions="", names=KEEP),
        refine((460, 0), (320, 200)),
        *stage_2((460, 360), images=4, steps=20),
        fuse((1220, 0), (320, 180)),
        *apply_and_save((1600, 0), (1600, 200), "a_dozen"),
        prompt("negative", "", "Negative prompt", (1600, 480), 80),
        latent((1600, 620), 4),
        *both_sides("erased", "a photo of a fox", "Erased concept", 0),
        *both_sides("kept", "a photo of a cat", "Preserved concept", 480),
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
