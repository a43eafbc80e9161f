"""Nodes that several templates share, at the place and with the values that a template gives."""

from collections.abc import Mapping
from dataclasses import replace

from dev.workflows.to_ui import In, Node, Out

MODEL, CLIP, VAE = Out("loader", "MODEL"), Out("loader", "CLIP"), Out("loader", "VAE")
SOCKETS = {MODEL: In("model"), CLIP: In("clip"), VAE: In("vae")}
SHIP = "# erase, one per line: target -> surrogate\nship -> sea"
PRESERVE = "\n".join(
    (
        "# preserve, one name per line",
        "cat",
        "dog",
        "horse",
        "bird",
        "car",
        "house",
        "tree",
        "person",
        "street",
        "sky",
    )
)
Place = tuple[int, int]


def loader() -> Node:
    """The bundled miniature, at the top left."""
    checkpoint = {"ckpt_name": "mace_mini_sd.safetensors"}
    return Node("loader", "CheckpointLoaderSimple", at=(0, 0), size=(320, 98), inputs=checkpoint)


def concepts(text: str | Out, at: Place, size: Place = (320, 260)) -> Node:
    """Erase Concepts."""
    return Node("concepts", "MACE_EraseConcepts", at, {"concepts": text, "kind": "object"}, size)


def prior(at: Place, size: Place, **inputs: str) -> Node:
    """Preserve Prior."""
    return Node("prior", "MACE_PreservePrior", at, {"clip": CLIP, **inputs}, size)


def refine(at: Place, size: Place, with_prior: bool = True) -> Node:
    """Stage 1."""
    inputs = {"model": MODEL, "clip": CLIP, "concepts": Out("concepts")}
    return Node("refine", "MACE_CrossAttnRefine", at, inputs | _prior(with_prior), size)


def stage_2(at: Place, images: int, steps: int, gap: int = 380, size: Place = (320, 700)) -> tuple[Node, ...]:
    """Draw Concepts, Mask Concepts and Train Concept LoRA, from left to right."""
    x, y = at
    generation = {"images": images, "steps": steps, "cfg": 4.0, "width": 64, "height": 64}
    return (
        Node(
            "draw",
            "MACE_DrawConcepts",
            (x, y),
            {"model": MODEL, "clip": CLIP, "vae": VAE, "concepts": Out("concepts"), **generation},
            size,
        ),
        Node(
            "mask",
            "MACE_MaskConcepts",
            (x + gap, y),
            {"training_set": Out("draw", "training_set"), "method": "attention"},
            size,
        ),
        Node(
            "train",
            "MACE_TrainConceptLoRA",
            (x + 2 * gap, y),
            {
                "refined": Out("refine", "refined"),
                "clip": CLIP,
                "concepts": Out("concepts"),
                "training_set": Out("mask", "training_set"),
            },
            size,
        ),
    )


def fuse(at: Place, size: Place) -> Node:
    """Stage 3."""
    inputs = {
        "clip": CLIP,
        "refined": Out("refine", "erasure"),
        "concept_loras": Out("train", "concept_loras"),
    }
    return Node("fuse", "MACE_FuseLoRAs", at, inputs | _prior(True), size)


def apply_and_save(at: Place, save_at: Place, name: str, width: int) -> tuple[Node, ...]:
    """Apply Erased Model and Save Erasure."""
    applied = {"model": MODEL, "erasure": Out("fuse"), "clip": CLIP}
    return (
        Node("apply", "MACE_ApplyErasedModel", at, applied, (width, 210)),
        Node("save", "MACE_SaveErasure", save_at, {"erasure": Out("fuse"), "name": name}, (width, 120)),
    )


def prompt(name: str, text: str, title: str, at: Place, size: Place) -> Node:
    """CLIP Text Encode."""
    return Node(name, "CLIPTextEncode", at, {"clip": CLIP, "text": text}, size, title)


def latent(at: Place, count: int, width: int) -> Node:
    """Empty Latent Image, of the miniature's size."""
    size = {"width": 64, "height": 64, "batch_size": count}
    return Node("latent", "EmptyLatentImage", at, size, (width, 106))


def _prior(connected: bool) -> dict[str, Out]:
    return {"prior": Out("prior")} if connected else {}


def in_block(nodes: tuple[Node, ...], widgets: Mapping[str, Mapping[str, In]]) -> tuple[Node, ...]:
    """The nodes of a block: MODEL, CLIP and VAE are its sockets, and so is each node's input in `widgets`."""
    return tuple(
        replace(
            node,
            inputs={
                name: SOCKETS.get(value, value) if isinstance(value, Out) else value
                for name, value in node.inputs.items()
            }
            | dict(widgets.get(node.name, {})),
        )
        for node in nodes
    )
