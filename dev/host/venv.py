"""The interpreter for a ComfyUI: `python -m dev.host.venv` prints it, and makes it if it is missing.

A host's venv sees the packages of .venv and adds only those that .venv lacks or has in another version, so
torch, numpy and transformers stay as they are. Hosts of different versions can exist side by side.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from dev.host.fetch import REPOSITORY, fetched_folder, host_folder

VENVS = REPOSITORY / ".cache" / "host-venvs"
NEVER_REPLACED = ("torch", "torchvision")  # whatever the host requires: they are built for each other
KEPT = ("numpy", "transformers")  # unless the host requires other versions
LEFT_OUT = ("comfyui-workflow-templates", "comfyui-embedded-docs")  # images and pages that no test opens
ALONE = "torchaudio"  # would install another torch; dev/host/launch.py makes it importable with this one


def host_python(host: Path | None = None) -> Path:
    """The interpreter that runs `host` (default: the host in use), made once per requirements.txt.

    The fetched host runs on .venv itself: it starts without its other requirements.
    """
    host = host or host_folder()
    if host == fetched_folder():
        return Path(sys.executable)
    text = (host / "requirements.txt").read_text()
    missing = lacking(text)
    if not missing:
        return Path(sys.executable)
    state = "\n".join([text, *map(str, missing), sys.version, sys.prefix])
    folder = VENVS / hashlib.sha256(state.encode()).hexdigest()[:12]
    if not folder.is_dir():
        make(folder, missing)
    return folder / "bin" / "python"


def lacking(text: str) -> list[Requirement]:
    """Requirements of a requirements.txt that .venv does not meet."""
    return [wanted for wanted in requirements(text) if not _is_met(wanted)]


def requirements(text: str) -> list[Requirement]:
    """The packages of a requirements.txt, without comments, options and URLs."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [wanted for wanted in map(_requirement, filter(None, lines)) if wanted]


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:  # a pip option or a URL
        return None


def _is_met(wanted: Requirement) -> bool:
    if canonicalize_name(wanted.name) in (*NEVER_REPLACED, *LEFT_OUT):
        return True
    if wanted.marker and not wanted.marker.evaluate():
        return True
    try:
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def make(folder: Path, missing: list[Requirement]) -> None:
    """Build beside the final folder, then rename: an interrupted setup leaves no partial venv."""
    print(f"setup: installing the requirements of this ComfyUI into {folder}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        new = Path(work) / "venv"
        venv.create(new, symlinks=True)  # without its own pip: it uses the one of .venv
        inside = sysconfig.get_path("purelib", "posix_prefix", vars={"base": str(new)})
        (Path(inside) / "workshop.pth").write_text("".join(f"{each}\n" for each in packages_in_use()))
        fill(new / "bin" / "python", missing, Path(work) / "stays.txt")
        try:
            new.rename(folder)
        except OSError:  # another process made it in the meantime
            if not folder.is_dir():
                raise


def packages_in_use() -> list[str]:
    """The package folders of this interpreter; in a host's venv there are two."""
    return [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]


def fill(python: Path, missing: list[Requirement], stays: Path) -> None:
    """Install torchaudio without dependencies and no newer than torch; pin what must not change."""
    alone = [wanted for wanted in missing if canonicalize_name(wanted.name) == ALONE]
    rest = [wanted for wanted in missing if wanted not in alone]
    for wanted in alone:
        wanted.specifier &= SpecifierSet(f"<={metadata.version('torch').partition('+')[0]}")
    replaced = {canonicalize_name(wanted.name) for wanted in rest}
    kept = [name for name in (*NEVER_REPLACED, *KEPT) if name not in replaced]
    stays.write_text("".join(f"{name}=={metadata.version(name)}\n" for name in kept))
    pip_install(python, rest, "--constraint", str(stays))
    pip_install(python, alone, "--no-deps")


def pip_install(python: Path, packages: list[Requirement], *options: str) -> None:
    if not packages:
        return
    names = [str(wanted) for wanted in packages]
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *options, *names]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(
            f"pip could not install the requirements of this ComfyUI ({', '.join(names)}).\n{answer.stderr}"
        )


if __name__ == "__main__":
    print(host_python())
