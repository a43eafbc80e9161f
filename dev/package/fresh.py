"""A ComfyUI that never saw the workshop: own venv, the pack installed by the Manager, every template run."""

import json
import subprocess
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.host.fetch import REPOSITORY, host_folder
from dev.host.server import Host
from dev.host.venv import ALONE, LEFT_OUT, NEVER_REPLACED, pip_install, requirements
from dev.package.archive import node_ids
from dev.package.manager import MANAGER, installed
from dev.workflows.to_api import to_api

VENV = REPOSITORY / ".cache" / "fresh-venv"
UNLISTED = "requests"  # which ComfyUI 0.3.75 imports and used to get through transformers
UNTOUCHED = ("torch", "numpy", "transformers", "safetensors")


def host_python() -> Path:
    """The interpreter of a venv with the Manager and what this ComfyUI requires, made when that changes.

    torch is that of the workshop, a CPU build, and so is torchvision, which would replace it.
    """
    state, python = VENV / "requirements.txt", VENV / "bin" / "python"
    text = (host_folder() / "requirements.txt").read_text() + f"\n{MANAGER}\n"
    if not state.exists() or state.read_text() != text:
        given = (*NEVER_REPLACED, *LEFT_OUT, ALONE)
        rest = [each for each in requirements(text) if canonicalize_name(each.name) not in given]
        torch, torchvision = (Requirement(f"{name}=={metadata.version(name)}") for name in NEVER_REPLACED)
        venv.create(VENV, clear=True, with_pip=True)
        pip_install(python, [torch])
        pip_install(python, [torchvision], "--no-deps")
        pip_install(python, [*rest, Requirement(UNLISTED)])
        state.write_text(text)
    return python


def versions(python: Path) -> dict[str, str]:
    """What the user's environment must keep."""
    script = (
        f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {UNTOUCHED}}}))"
    )
    return json.loads(subprocess.run([python, "-c", script], check=True, capture_output=True).stdout)


def pip_uninstall(python: Path, packages: list[Requirement]) -> None:
    """Remove what an earlier run left in the venv."""
    names = [each.name for each in packages]
    subprocess.run([python, "-m", "pip", "uninstall", "-qq", "-y", *names], check=True, capture_output=True)


def installed_alone(archive: Path, base: Path) -> Path:
    """The folder of the installed pack. Raises ValueError if its requirements replace what users have."""
    python = host_python()
    pip_uninstall(python, requirements((REPOSITORY / "requirements.txt").read_text()))
    before = versions(python)
    pack = installed(archive, base, python)
    if versions(python) != before:
        raise ValueError(f"The pack's requirements change {before} to {versions(python)}.")
    return pack


def run_templates(pack: Path, base: Path) -> list[str]:
    """Start the host and run each template. Raises if a node is missing or fails."""
    ran = []
    with Host(base, python=host_python()) as host:
        client = host.client()
        object_info = client.object_info()
        if missing := node_ids(pack) - object_info.keys():
            raise ValueError(f"ComfyUI does not load {', '.join(sorted(missing))}:\n{host.log_tail()}")
        for workflow in sorted((pack / "workflows").glob("*.json")):
            client.run(to_api(json.loads(workflow.read_text()), object_info))
            ran.append(workflow.stem)
    return ran
