"""models/mace/concepts, drawn and cache: finished results, found again by the next run.

Each may be deleted at any time; what is missing is made again.
"""

import hashlib
import uuid
from pathlib import Path

import folder_paths
import torch

from ..mace_core.store import Store
from ._host import FOLDER
from ._host_patch import PREFIX, ErasurePatch, weight_in_force

GB = 2**30
# beyond it, the files used longest ago are removed
BOUNDS = {"concepts": 8 * GB, "drawn": 8 * GB, "cache": 4 * GB}


def store_of(what: str) -> Store:
    """One of the three, in the first folder for models/mace."""
    return Store(Path(folder_paths.get_folder_paths(FOLDER)[0]) / what, BOUNDS[what])


def without_refinement(model, concepts):
    """A clone of a refined MODEL as it was before Cross-Attention Refinement of these concepts."""
    targets = {concept.target for concept in concepts}
    clone = model.clone()
    clone.patches = {key: [patch for patch in patches if not _refines(patch[1], targets)]
                     for key, patches in model.patches.items()}
    clone.patches_uuid = uuid.uuid4()  # the host compares it to see whether weights must be patched anew
    return clone


def _refines(patch, targets: set[str]) -> bool:
    return (isinstance(patch, ErasurePatch) and not patch.erasure.U
            and not targets.isdisjoint(concept.target for concept in patch.erasure.concepts))


def model_fingerprint(model) -> str | None:
    """A hash of what the network computes with, LoRAs included; None where patches cannot be told apart."""
    if model.object_patches or model.model_options != {"transformer_options": {}} or any(
            model.wrappers.values()):
        return None
    digest = hashlib.sha256(f"{type(model.model).__name__} {model.model.model_type}".encode())
    for key, entry in sorted(model.get_key_patches(PREFIX).items()):
        (weight, _), *patches = entry
        _add(digest, key, weight_in_force(entry, key) if patches else weight)
    return digest.hexdigest()


def vae_fingerprint(vae) -> str:
    digest = hashlib.sha256()
    for key, weight in sorted(vae.get_sd().items()):
        _add(digest, key, weight)
    return digest.hexdigest()


def _add(digest, key: str, weight) -> None:
    weight = weight.detach().to("cpu").contiguous()
    digest.update(f"{key} {weight.dtype} {list(weight.shape)}".encode())
    digest.update(weight.reshape(-1).view(torch.uint8).numpy())
