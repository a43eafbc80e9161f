"""Real ComfyUI for tests: a server (`host`, `restartable_host`) or modules in this process (`comfy`)."""

import importlib.metadata
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from dev.host.client import Client
from dev.host.in_process import InProcess, load_host
from dev.host.server import Host


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """One running server for the whole session. Do not restart it, because other tests use it too."""
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def client(host: Host) -> Client:
    return host.client()


@pytest.fixture(scope="session")
def object_info(client: Client) -> dict:
    return client.object_info()


@pytest.fixture(scope="module")
def restartable_host() -> Iterator[Host]:
    """A server for one test module: `restart()` it at any time, its folder persists."""
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> InProcess:
    """The host's modules in this process, on the CPU, with the pack loaded from its folder."""
    loaded = load_host(tmp_path_factory.mktemp("comfy"))
    tell_all_progress()
    return loaded


def tell_all_progress() -> None:
    """Newer hosts skip progress events in quick succession, but some tests cancel at a specific one."""
    import comfy.utils

    comfy.utils.PROGRESS_THROTTLE_MIN_INTERVAL = comfy.utils.PROGRESS_THROTTLE_MIN_PERCENT = 0


@pytest.fixture
def stand_in_detector(monkeypatch):
    """A detector in place of nudenet that finds feet in every image; returns the images it received."""
    given = []

    class Detector:
        def detect(self, picture):
            given.append(picture)
            return [
                {"class": "FEET_EXPOSED", "score": 0.7, "box": [0, 1, 2, 3]},
                {"class": "FACE_MALE", "score": 0.9, "box": [0, 0, 1, 1]},
            ]

    monkeypatch.setitem(sys.modules, "nudenet", SimpleNamespace(NudeDetector=Detector))
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.0-stand-in" if name == "nudenet" else version(name)
    )
    return given
