"""ComfyUI-Manager installs the archive, from a registry on this machine instead of api.comfy.org."""

import json
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from dev.host.fetch import REPOSITORY, host_folder
from dev.package.archive import run_tool

MANAGER = Requirement("comfyui-manager==4.2.2")  # what ComfyUI 0.33.0 asks for
INSTALLED, SKIPPED = "[INSTALLED]", "skip black listed"


class Quiet(SimpleHTTPRequestHandler):
    """Without a line per request."""

    def log_message(self, *_) -> None:
        pass


@contextmanager
def registry(archive: Path) -> Iterator[str]:
    """The address of a registry with one pack: it answers where to download the archive, and serves it."""
    name, version = name_and_version(archive)
    with TemporaryDirectory() as folder:
        handler = partial(Quiet, directory=folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None  # torchvision hangs up once, after following redirects
        address = f"http://127.0.0.1:{server.server_port}"
        answer = Path(folder) / "nodes" / name / "install"
        answer.parent.mkdir(parents=True)
        answer.write_text(
            json.dumps({"id": name, "version": version, "downloadUrl": f"{address}/{archive.name}"})
        )
        (Path(folder) / archive.name).symlink_to(archive)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield address
        finally:
            server.shutdown()
            server.server_close()


def name_and_version(archive: Path) -> tuple[str, str]:
    """What the archive's pyproject.toml says."""
    with zipfile.ZipFile(archive) as packed:
        project = tomllib.loads(packed.read("pyproject.toml").decode())["project"]
    return project["name"], project["version"]


def installed(archive: Path, base: Path, python: Path) -> Path:
    """The folder that cm-cli makes in `base`. Raises ValueError if it fails or skips a requirement."""
    name, version = name_and_version(archive)
    folder = base / "custom_nodes" / name
    folder.parent.mkdir(parents=True)
    with registry(archive) as address:
        cm_cli = [python, "-m", "dev.package.cm_cli", host_folder(), base, address]
        said = run_tool([*cm_cli, "install", f"{name}@{version}"], REPOSITORY)
    if INSTALLED not in said or SKIPPED in said or not folder.is_dir():
        raise ValueError(f"cm-cli does not install the pack:\n{said}")
    return folder
