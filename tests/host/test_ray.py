"""The command line and the nodes on a real Ray cluster of two workers, one of which is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from dev.host.server import Host
from tests.host.graphs import all_stages, draw
from tests.host.test_command_line import MINI, SECONDS, Shell, site, wait_for

pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

__all__ = ["site"]  # a fixture
RAY = "from ray.scripts.scripts import main; main()"
HEAD = ["start", "--head", "--block", "--port=0", "--num-cpus=2", "--include-dashboard=false"]
# No token, which Ray would write into the home folder; workers as fast as the tests beside them.
SETTINGS = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
SETTINGS |= {"RAY_raylet_start_wait_time_s": "120"}  # for a busy machine
STARTS = 2
LIST = "ship (boat, vessel) -> sea\ndog -> ground\ncat -> a dog\nhorse -> a cow\nstyle: Van Gogh -> art\n"

IN_FULL = pytest.mark.skipif("MACE_CLUSTER" not in os.environ, reason="`make cluster` runs it: a minute more")


@dataclass(frozen=True)
class Cluster:
    address: str
    head: psutil.Process

    def workers(self, doing: str = "") -> list[psutil.Process]:
        """Its processes that run our workers; only those that are `doing` a method."""
        return [each for each in self.head.children(recursive=True) if f"MaceWorker{doing}" in _title(each)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture(scope="module")
def cluster(site) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="mace-ray-", dir="/tmp"))  # short: sockets have short paths
    environment = os.environ | SETTINGS | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RAY, *HEAD, f"--temp-dir={folder}", "--object-store-memory=100000000"]
    head = None
    try:
        for _ in range(STARTS):
            with (folder / "head.log").open("w") as log:
                head = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            while head.poll() is None and "Ray runtime started" not in (folder / "head.log").read_text():
                time.sleep(0.1)
            if head.poll() is None:
                break
        assert head.poll() is None, (folder / "head.log").read_text()
        yield Cluster((folder / "ray_current_cluster").read_text(), psutil.Process(head.pid))
    finally:
        if head and head.poll() is None:
            head.terminate()  # stops all that it started
            head.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def joined(cluster, monkeypatch):
    for name, value in {**SETTINGS, "RAY_ADDRESS": cluster.address}.items():
        monkeypatch.setenv(name, value)


def files_in(base: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in base.rglob("*.safetensors")}


def test_the_same_files_as_without_ray_although_a_worker_is_killed(cluster, site, tmp_path):
    (tmp_path / "list.txt").write_text(LIST)
    command = ["erase", tmp_path / "list.txt", *MINI, "--images", "2", "--steps", "20", "--names", "fox"]
    alone, together = Shell(tmp_path / "alone", site), Shell(tmp_path / "together", site)
    answer = alone.run(*command)
    assert answer.returncode == 0, answer.stderr
    process = together.start(*command, "--ray")
    wait_for(lambda: list(together.mace.glob("drawn/*.safetensors")), process)
    wait_for(lambda: cluster.workers(".carry_out"), process)
    os.kill(cluster.workers(".carry_out")[0].pid, signal.SIGKILL)
    _, said = process.communicate(timeout=3 * SECONDS)
    assert process.returncode == 0, said
    assert "a worker died while it worked on '" in said and "another one starts it again" in said
    found, expected = files_in(together.base), files_in(alone.base)
    assert len(expected) > 10 and found == expected
    wait_for_no_workers(cluster)


@IN_FULL
def test_a_signal_stops_the_workers_too(cluster, site, tmp_path):
    (tmp_path / "list.txt").write_text(LIST)
    shell = Shell(tmp_path / "data", site)
    process = shell.start("erase", tmp_path / "list.txt", *MINI, "--images", "8", "--steps", "200", "--ray")
    wait_for(lambda: cluster.workers(".carry_out"), process)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, said = process.communicate(timeout=3 * SECONDS)
    assert process.returncode == 130 and "Interrupted" in said and "Traceback" not in said
    assert time.monotonic() - sent < 15
    wait_for_no_workers(cluster)
    assert not list(shell.mace.glob("drawn/*"))


@IN_FULL
def test_nodes_use_the_cluster_of_the_servers_environment(cluster, monkeypatch, site):
    monkeypatch.setenv("PYTHONPATH", str(site))
    with Host() as host:
        host.client().run(all_stages() | draw("out", ["apply", 0]))
        log = host.log.read_text()
        assert "Draw concepts: 1 concept is on the Ray cluster" in log
        assert "Train LoRA: 1 concept is on the Ray cluster" in log
    wait_for_no_workers(cluster)


def wait_for_no_workers(cluster: Cluster) -> None:
    until = time.monotonic() + 30
    while cluster.workers():
        assert time.monotonic() < until, cluster.workers()
        time.sleep(0.1)
