"""A real ComfyUI server in its own base folder, with only this pack in it.

with Host() as host:
    outputs = host.client().run(prompt)
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from dev.host.client import Client
from dev.host.fetch import host_folder
from dev.host.pack_folder import PACK, prepare_folder

LAUNCHER = Path(__file__).with_name("launch.py")
SECONDS_TO_START = 180


class Host:
    """Starts on enter, stops on exit; `restart()` keeps the folder and everything saved in it."""

    def __init__(
        self,
        base: Path | None = None,
        front_end: bool = False,
        arguments: tuple[str, ...] = (),
        python: Path | str = sys.executable,
    ):
        self.temporary = base is None
        self.base = Path(base or tempfile.mkdtemp(prefix="mace-host-"))
        self.front_end = front_end
        self.arguments = arguments
        self.python = str(python)
        self.process: subprocess.Popen | None = None
        self.port = 0
        prepare_folder(self.base)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.base / "host.log"

    def __enter__(self) -> "Host":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        if self.temporary:
            shutil.rmtree(self.base, ignore_errors=True)

    def client(self) -> Client:
        return Client(self.url)

    def start(self) -> None:
        self.port = free_port()
        launch = [self.python, str(LAUNCHER), str(host_folder())]
        try:
            with self.log.open("ab") as log, held_back(signal.SIGTERM, signal.SIGINT):
                self.process = subprocess.Popen(
                    [*launch, *server_arguments(self), *self.arguments],
                    cwd=self.base,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                )
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it without warning, with everything that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def wait_until_ready(self) -> None:
        limit = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"ComfyUI exited with code {self.process.returncode}:\n{self.log_tail()}")
            try:
                if requests.get(f"{self.url}/system_stats", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise TimeoutError(f"ComfyUI was not ready after {SECONDS_TO_START} s:\n{self.log_tail()}")

    def stop(self) -> None:
        """Stop the whole process group: nothing that the host started outlives it."""
        if self.process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(timeout=10)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        self.process = None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def held_back(*signals: signal.Signals) -> Iterator[None]:
    """Delay these signals until the end of the block.

    A signal that raises while a server starts would leave the server running, with nothing to stop it. Only
    the main thread handles signals, so other threads delay nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {each: signal.signal(each, lambda number, _: arrived.append(number)) for each in signals}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in arrived:
            signal.raise_signal(number)


def server_arguments(host: Host) -> list[str]:
    """The command line of main.py: only this pack, no database file, no network."""
    return [
        "--cpu",
        "--port",
        str(host.port),
        "--disable-api-nodes",
        "--database-url",
        "sqlite:///:memory:",
        "--base-directory",
        str(host.base),
        "--front-end-root",
        str(front_end_root(host)),
        "--disable-all-custom-nodes",
        "--whitelist-custom-nodes",
        PACK,
    ]


def front_end_root(host: Host) -> Path:
    """The real front end, or an empty page: the server requires a front end."""
    if host.front_end:
        package = importlib.util.find_spec("comfyui_frontend_package")
        return Path(package.submodule_search_locations[0]) / "static"
    page = host.base / "no-front-end" / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("<html></html>")
    return page.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
