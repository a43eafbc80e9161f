"""Stopping `make demo` from outside also stops its server."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from dev.host.fetch import REPOSITORY

SECONDS = 60


def server_of(demo: subprocess.Popen) -> Path | None:
    """The server's folder in /proc, once the server runs."""
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    processes = (Path("/proc", child) for child in children)
    return next((each for each in processes if b"host/launch.py" in (each / "cmdline").read_bytes()), None)


def wait_for(condition):
    until = time.monotonic() + SECONDS
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_the_server_stops_with_the_demo():
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo.run"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = wait_for(lambda: server_of(demo))
        assert server, "the demo did not start a server"
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(SECONDS) == 1
        assert wait_for(lambda: not server.exists())
    finally:
        demo.kill()
