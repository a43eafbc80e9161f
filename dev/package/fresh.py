"""A ComfyUI that never saw the workshop: own venv, the unpacked pack in custom_nodes, every template run."""

import json
import subprocess
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.host.fetch import REPOSITORY, host_folder
from dev.host.pack_folder import PACK
from dev.host.server import Host
from dev.host.venv import ALONE, LEFT_OUT, NEVER_REPLACED, pip_install, requirements
from dev.workflows.to_api import to_api

VENV = REPOSITORY / ".cache" / "fresh-venv"
UNLISTED = "requests"  # which ComfyUI 0.3.75 imports and used to get through transformers
UNTOUCHED = ("torch", "numpy", "transformers", "safetensors")


def host_python() -> Path:
    """The interpreter of a venv with what this ComfyUI requires, made once per requirements.txt.

    torch is that of the workshop, a CPU build, and so is torchvision, which would replace it.
    """
    state, python = VENV / "requirements.txt", VENV / "bin" / "python"
    text = (host_folder() / "requirements.txt").read_text()
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


def run_templates(pack: Path, base: Path) -> list[str]:
    """Install the pack as the Manager does, and run each template. Raises if a node fails.

    The Manager unpacks the archive into custom_nodes and installs requirements.txt line by line.
    """
    python = host_python()
    before = versions(python)
    for line in requirements((pack / "requirements.txt").read_text()):
        pip_install(python, [line])
    if versions(python) != before:
        raise ValueError(f"The pack's requirements change {before} to {versions(python)}.")
    host = Host(base, python=python)
    link = base / "custom_nodes" / PACK
    link.unlink()
    link.symlink_to(pack, target_is_directory=True)
    ran = []
    with host:
        client = host.client()
        object_info = client.object_info()
        for workflow in sorted((pack / "workflows").glob("*.json")):
            client.run(to_api(json.loads(workflow.read_text()), object_info))
            ran.append(workflow.stem)
    return ran
