"""The archive that the registry serves, made, validated and scanned by the public tools.

comfy-cli makes it from the tracked files minus .comfyignore; nodesafe looks for malicious code. Both run in a
venv of their own, .cache/package-venv, because their requirements would replace the workshop's.
"""

import ast
import json
import os
import subprocess
import venv
from pathlib import Path

from dev.host.fetch import REPOSITORY

VENV = REPOSITORY / ".cache" / "package-venv"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
COMFY = ("--skip-prompt", "--no-enable-telemetry")
SERIOUS = ("high", "critical")
QUIET = {"COMFY_NO_TELEMETRY": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}


def tools() -> Path:
    """The folder with `comfy` and `nodesafe`, installed on first use."""
    installed = VENV / REQUIREMENTS.name
    if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
        venv.create(VENV, clear=True, with_pip=True)
        command = [VENV / "bin" / "python", "-m", "pip", "install", "-qq", "-r", REQUIREMENTS]
        subprocess.run(command, check=True)
        installed.write_text(REQUIREMENTS.read_text())
    return VENV / "bin"


def committed(folder: Path) -> Path:
    """A clone of what is committed: the tools read git's index."""
    subprocess.run(["git", "clone", "-q", REPOSITORY, folder], check=True)
    return folder


def validated(clone: Path) -> str:
    """What `comfy node validate` says. Raises ValueError for a warning or an error."""
    said = run_tool([tools() / "comfy", *COMFY, "node", "validate"], clone)
    if "warning" in said.lower() or "passed" not in said:
        raise ValueError(f"comfy node validate is not content:\n{said}")
    return said


def packed(clone: Path) -> Path:
    """The archive that `comfy node pack` makes."""
    run_tool([tools() / "comfy", *COMFY, "node", "pack"], clone)
    return clone / "node.zip"


def scanned(pack: Path) -> list[dict]:
    """nodesafe's findings. Raises ValueError for a serious one."""
    said = run_tool([tools() / "nodesafe", "scan", "--format", "json", "--fail-on", "none", "."], pack)
    findings = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]["findings"]
    serious = [each for each in findings if each["severity"] in SERIOUS]
    if serious:
        lines = "\n".join(f"{each['file']}:{each['line']}: {each['title']}" for each in serious)
        raise ValueError(f"nodesafe finds {len(serious)} serious problems:\n{lines}")
    return findings


def node_ids(pack: Path) -> set[str]:
    """The nodes that can be found without running the pack, as registries do: `node_id=` of each schema."""
    return {
        keyword.value.value
        for path in (pack / "nodes").glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "node_id" and isinstance(keyword.value, ast.Constant)
    }


def run_tool(command: list, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=os.environ | QUIET, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{Path(command[0]).name} fails:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr
