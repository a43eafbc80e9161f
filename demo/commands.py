"""The two command lines of the demo, with the settings of the template that erases one concept."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path

from dev.bench.concepts import others, without

TEMPLATE = importlib.import_module("dev.workflows.templates.02_erase_one_concept").TEMPLATE
NODES = {node.name: dict(node.inputs) for node in TEMPLATE.nodes}
LISTS = ("concepts.txt", "preserve.txt", "keep.txt")


def write_lists(folder: Path, world: Mapping, concept: Mapping, surrogate: str) -> None:
    """The files that the commands read: what to erase, what to preserve, what to score.

    concept: an entry of mini/world.json. Captions that name it leave the prior, or it would be preserved and
    erased at once. Scoring tests its synonyms too, which the erasure was never told, and thirty concepts that
    nobody named.
    """
    kind, keep = concept["kind"], others(world, concept)
    captions = without(concept, NODES["prior"]["captions"])
    texts = (
        f"{concept['name']} -> {surrogate}",
        captions,
        "\n".join(f"{kind}: {name}" for name in keep),
    )
    for name, text in zip(LISTS, texts, strict=True):
        (folder / name).write_text(text)


def erase_command(folder: Path, concept: Mapping) -> list[str]:
    """Arguments of `python -m mace_erase` that erase the concept."""
    drawing = NODES["draw"]
    return [
        "erase",
        str(folder / LISTS[0]),
        *_checkpoint(),
        *("--kind", concept["kind"]),
        *("--preserve", str(folder / LISTS[1])),
        *("--images", str(drawing["images"])),
        *_sampling(drawing),
        *("--name", re.sub(r"\W+", "_", concept["name"])),
    ]


def score_command(folder: Path, erasure: str, images: int) -> list[str]:
    """Arguments of `python -m mace_erase` that score the saved erasure against the original model."""
    sampling = NODES["before"]
    return [
        "score",
        erasure,
        *_checkpoint(),
        *("--keep", str(folder / LISTS[2])),
        *("--images", str(images)),
        *_sampling(sampling),
        *("--seed", str(sampling["seed"])),
    ]


def _checkpoint() -> list[str]:
    size = f"{NODES['latent']['width']}x{NODES['latent']['height']}"
    return ["--checkpoint", NODES["loader"]["ckpt_name"], "--size", size]


def _sampling(inputs: Mapping) -> list[str]:
    return ["--steps", str(inputs["steps"]), "--cfg", f"{inputs['cfg']:g}"]
