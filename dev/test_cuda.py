"""`make test-cuda PY=/path/to/python COMFYUI_PATH=/path/to/ComfyUI`: tests/cuda on a CUDA card.

The interpreter is one that runs that ComfyUI on the card, with pytest in it. MACE_TEST_DEVICE=cpu runs the
same tests on the processor, to see that they run; MACE_TEST_FAMILIES="mini sd15 sdxl" says on which models.
"""

import importlib.util
import os
import subprocess
import sys

from dev.host.fetch import REPOSITORY


def main() -> int:
    for package in ("torch", "pytest"):
        if importlib.util.find_spec(package) is None:
            print(
                f"test-cuda: {sys.executable} has no {package}: name the Python that runs ComfyUI on your "
                "card, with pytest in it: make test-cuda PY=/path/to/python COMFYUI_PATH=/path/to/ComfyUI."
            )
            return 1
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/cuda"]
    return subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
