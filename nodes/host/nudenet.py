"""Detects exposed body parts in images with the optional nudenet package.

Its licence is AGPL-3.0, so nothing else needs it, and it is imported only here, when Count Exposed runs.
"""

from importlib import metadata
from typing import Any

from ...mace_core.evaluation.exposed import Part
from .checks import require_finite
from .images import as_bytes
from .progress import Progress

PACKAGE = "nudenet"
MISSING = (
    f"Count Exposed needs the package {PACKAGE} (licence: AGPL-3.0), which is not installed: run "
    f"'pip install {PACKAGE}' in ComfyUI's Python environment; the package includes its detector."
)


def find_parts(images) -> tuple[list[list[Part]], str]:
    """The parts detected in each image `[H, W, 3 or more]` in 0..1, and the version of nudenet.

    Raises ValueError if nudenet is not installed or an image contains NaN or infinity.
    """
    detector = _detector()
    progress = Progress("Count exposed parts", len(images))
    found = []
    for number, image in enumerate(images, 1):
        require_finite(image, f"Image {number} contains NaN or infinity: check the node it comes from.")
        # the package expects OpenCV's channel order: blue, green, red
        pixels = as_bytes(image[..., :3]).flip(-1).contiguous().numpy()
        found.append(
            [
                Part(each["class"], float(each["score"]), tuple(each["box"]))
                for each in detector.detect(pixels)
            ]
        )
        progress.step(f"{number} of {len(images)}")
    return found, metadata.version(PACKAGE)


def _detector() -> Any:
    try:
        from nudenet import NudeDetector

        return NudeDetector()
    except ImportError as error:
        raise ValueError(MISSING if error.name == PACKAGE else f"{MISSING} (The error: {error}.)") from None
