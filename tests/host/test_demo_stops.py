"""Stopping `make demo` from outside leaves nothing behind: no process, no folder."""

import os
import signal
import subprocess
import sys
import time

from dev.host.fetch import REPOSITORY

SECONDS = 60


def test_a_stopped_demo_removes_its_folder(tmp_path):
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo.run"],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + SECONDS
        while not (found := list(tmp_path.glob("mace-demo-*/models/mace"))) and time.monotonic() < until:
            time.sleep(0.2)
        assert found, "the demo did not start to erase"
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(SECONDS) == 1
        assert not list(tmp_path.glob("mace-*"))
    finally:
        demo.kill()
