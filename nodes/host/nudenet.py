"""Exposed parts of bodies in pictures, found by the nudenet package where the user has installed it.

The package is AGPL-3.0 and therefore an extra: nothing of the pack needs it, and it is imported only here,
when the node that counts is run.
"""

import importlib
from importlib import metadata

from ...mace_core.evaluation.exposed import Part
from .checks import require_finite
from .images import as_bytes
from .progress import Progress

PACKAGE = "nudenet"
MISSING = (
    f"Count Exposed needs the package {PACKAGE} (licence AGPL-3.0), which is not installed: run "
    f"'pip install {PACKAGE}' in the Python environment of ComfyUI; its detector comes with it."
)


def find_parts(images) -> tuple[list[list[Part]], str]:
    """All the detector sees in pictures [H, W, 3 or more] in 0..1, one by one, and its version."""
    detector = _detector()
    progress = Progress("Count exposed parts", len(images))
    found = []
    for number, image in enumerate(images, 1):
        require_finite(image, f"Picture {number} holds NaN or infinity: look at the node it comes from.")
        # the package reads arrays as OpenCV stores them: blue, green, red
        pixels = as_bytes(image[..., :3]).flip(-1).contiguous().numpy()
        found.append(
            [
                Part(each["class"], float(each["score"]), tuple(each["box"]))
                for each in detector.detect(pixels)
            ]
        )
        progress.step(f"{number} of {len(images)}")
    return found, metadata.version(PACKAGE)


def _detector():
    try:
        return importlib.import_module(PACKAGE).NudeDetector()
    except ImportError as error:
        raise ValueError(MISSING if error.name == PACKAGE else f"{MISSING} (It reports: {error}.)") from None
