"""What the machine that fuses does for each concept: CPU seconds by width, and bytes in files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dev.fullsize.families import Family
from dev.fullsize.measure import MIB

CONCEPTS = (4, 16)  # two numbers of concepts: their difference is what one more costs
IMAGES = 8


def run(family: Family) -> dict:
    import torch

    torch.set_num_threads(1)
    lora = _lora(family)
    few, many = (_fusion(family, [lora] * n) for n in CONCEPTS)
    return {
        "fusion_seconds_per_concept": round((many - few) / (CONCEPTS[1] - CONCEPTS[0]), 4),
        "lora_mib": round(_size(_packed(lora)) / MIB, 3),
        "edit_mib": round(_size(lora.low_rank.state()) / MIB, 3),
        "images_mib": round(_size(_images(family)) / MIB, 3),
        "orders_mib": round(_size(_order(family)) / MIB, 3),
        "gate_mib": round(_size(_gate(family)) / MIB, 4),
        "hash_seconds": _hashing(_order(family)),
        "whitening_mib": round(4 * family.d**2 / MIB, 2),
    }


def _layers(family: Family) -> dict[str, tuple[int, int]]:
    """The keys, which the fast trainer edits: name -> (o, d). Keys are half of the projections."""
    return {f"{o}.{n}.to_k": (o, family.d) for o, count in family.widths.items() for n in range(count // 2)}


def _lora(family: Family):
    """A LoRA of the fast trainer with random numbers: rank 1 on each key."""
    import torch

    from mace_core.concepts.concepts import Concept
    from mace_core.training.lora import ConceptLoRA, initial_factors

    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, family.d, generator=generator, dtype=torch.float64)
    low_rank = initial_factors(_layers(family), 1, generator)
    return ConceptLoRA(Concept("ship", "sea"), low_rank, rows.T @ rows, "random")


def _fusion(family: Family, loras: list) -> float:
    import torch

    from mace_core.erasure.fuse import FuseSettings, fuse

    started = time.process_time()
    fuse(torch.eye(family.d), loras, None, FuseSettings())
    return time.process_time() - started


def _hashing(tensors: dict) -> float:
    """Seconds to look up a concept in the cache: its images and masks are part of the key."""
    from mace_core.files.hashes import values_hash

    started = time.process_time()
    values_hash(**tensors)
    return round(time.process_time() - started, 4)


def _packed(lora) -> dict:
    from mace_core.training.lora import pack_lora

    return pack_lora(lora, [0.0])[0]


def _images(family: Family) -> dict:
    """What Draw Concepts caches of one concept, at the family's own size."""
    import torch

    side = family.pixels // 8
    return {
        "latents": torch.zeros(IMAGES, 4, side, side),
        "heat": torch.zeros(IMAGES, side, side),
        "pictures": torch.zeros(IMAGES, family.pixels, family.pixels, 3, dtype=torch.uint8),
    }


def _order(family: Family) -> dict:
    """What is sent to a worker that trains one concept."""
    import torch

    latents = _images(family)["latents"]
    return {"latents": latents, "masks": torch.zeros(IMAGES, family.pixels, family.pixels)}


def _gate(family: Family) -> dict:
    """What one phrase adds to a gate: by itself, and twice beside another object."""
    import torch

    return {"prototypes": torch.zeros(3, 3, family.d), "ramps": torch.zeros(4, 2, 3)}


def _size(tensors: dict) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def store_seconds(counts: tuple[int, ...] = (500, 2000)) -> dict[str, dict[str, float]]:
    """CPU seconds to cache one small result, and to find one, in a folder of so many."""
    import torch

    from mace_core.files.store import Store, find, keep

    found = {}
    tensors = {"C": torch.zeros(4)}

    def each(work: Callable[[int], object], numbers: range) -> float:
        started = time.process_time()
        for number in numbers:
            work(number)
        return round((time.process_time() - started) / len(numbers), 5)

    with tempfile.TemporaryDirectory(prefix="mace-scale-") as folder:
        store = Store(Path(folder) / "concepts", 2**40)

        def write(number: int) -> None:
            keep(store, f"thing {number}", f"{number:032x}", tensors, {}, print)

        def read(number: int) -> None:
            find(store, f"thing {number}", f"{number:032x}", print, lambda tensors, _: tensors)

        done = 0
        for count in counts:
            each(write, range(done, count))
            found[str(count)] = {"keep": each(write, range(50)), "find": each(read, range(50))}
            done = count
    return found
