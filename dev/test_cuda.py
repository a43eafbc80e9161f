"""`make test-cuda PY=/path/to/python COMFYUI_PATH=/path/to/ComfyUI`: tests/cuda on a GPU.

PY is the Python that runs this ComfyUI on the GPU, with pytest installed. MACE_TEST_DEVICE=cpu runs the same
tests on the CPU, to check that they run; MACE_TEST_FAMILIES="mini sd15 sdxl" selects the models, and
MACE_TEST_STATIC=1 disables dynamic VRAM.
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
                f"test-cuda: {sys.executable} has no {package}, but must run ComfyUI and pytest: choose "
                "another Python with make test-cuda PY=/path/to/python COMFYUI_PATH=/path/to/ComfyUI."
            )
            return 1
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/cuda"]
    return subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
