"""The caches in models/mace (concepts, drawn, cache): finished results that the next run reuses.

Users can delete them at any time. A run computes what is missing.
"""

import uuid
from pathlib import Path
from typing import Any

import folder_paths

from ...mace_core.concepts.concepts import canonical
from ...mace_core.files.store import Store
from .folders import FOLDER
from .patch import ErasurePatch

GB = 2**30
# bytes; above them, the least recently used files are removed
BOUNDS = {"concepts": 8 * GB, "drawn": 8 * GB, "cache": 4 * GB}


def store_of(what: str) -> Store:
    """The cache of that name, a key of `BOUNDS`, in the first folder for models/mace."""
    return Store(Path(folder_paths.get_folder_paths(FOLDER)[0]) / what, BOUNDS[what])


def without_refinement(model, concepts) -> Any:
    """A clone of a refined MODEL as it was before Cross-Attention Refinement of these concepts."""
    targets = {canonical(concept.target) for concept in concepts}
    clone = model.clone()
    kept = {
        key: [patch for patch in patches if not _refines(patch[1], targets)]
        for key, patches in model.patches.items()
    }
    clone.patches = {key: patches for key, patches in kept.items() if patches}  # dynamic VRAM fails at []
    clone.patches_uuid = uuid.uuid4()  # the host compares it to decide whether to patch the weights again
    return clone


def _refines(patch, targets: set[str]) -> bool:
    return (
        isinstance(patch, ErasurePatch)
        and not patch.erasure.is_fused
        and not targets.isdisjoint(canonical(concept.target) for concept in patch.erasure.concepts)
    )
