"""A ComfyUI that never saw the workshop: own venv, the unpacked pack in custom_nodes, every template run."""

import json
import subprocess
import venv
from importlib import metadata
from pathlib import Path

from dev.host.fetch import REPOSITORY, host_folder
from dev.host.pack_folder import PACK
from dev.host.server import Host
from dev.workflows.to_api import to_api

VENV = REPOSITORY / ".cache" / "fresh-venv"
# The workshop's torch, which is a CPU build, and a torchvision that would replace it.
TORCH, ALONE = ("torch",), ("torchvision",)
LEFT_OUT = ("torch", "torchvision", "torchaudio", "comfyui-workflow-templates", "comfyui-embedded-docs")
UNLISTED = ("requests",)  # which ComfyUI 0.3.75 imports and used to get through transformers
UNTOUCHED = ("torch", "numpy", "transformers", "safetensors")


def host_python() -> Path:
    """The interpreter of a venv with what this ComfyUI requires and nothing else; made once per version."""
    lines = (host_folder() / "requirements.txt").read_text().splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    wanted = [each for each in wanted if each and _name(each) not in LEFT_OUT] + list(UNLISTED)
    state, python = VENV / "requirements.txt", VENV / "bin" / "python"
    if not state.exists() or state.read_text() != "\n".join(wanted):
        venv.create(VENV, clear=True, with_pip=True)
        install(python, *(f"{name}=={metadata.version(name)}" for name in TORCH))
        install(python, "--no-deps", *(f"{name}=={metadata.version(name)}" for name in ALONE))
        install(python, *wanted)
        state.write_text("\n".join(wanted))
    return python


def install(python: Path, *what: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "-qq", *what], check=True)


def _name(requirement: str) -> str:
    return requirement.partition("=")[0].partition(">")[0].partition("~")[0].strip().lower()


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
    for line in (pack / "requirements.txt").read_text().splitlines():
        install(python, line)
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
