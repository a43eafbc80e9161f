"""Real ComfyUI for tests: a server (`host`, `restartable_host`) or its modules in this process (`comfy`)."""

from collections.abc import Iterator

import pytest

from dev.host.client import Client
from dev.host.in_process import InProcess, load_host
from dev.host.server import Host


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """One running server for the whole session: do not restart it, others use it too."""
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
    """A server of the test module's own: `restart()` it at will, its folder stays."""
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> InProcess:
    """The host's modules in this process, on the CPU, with the pack loaded from its folder."""
    loaded = load_host(tmp_path_factory.mktemp("comfy"))
    tell_all_progress()
    return loaded


def tell_all_progress() -> None:
    """Newer hosts leave out steps that follow each other quickly, and tests cancel at one of them."""
    import comfy.utils

    comfy.utils.PROGRESS_THROTTLE_MIN_INTERVAL = comfy.utils.PROGRESS_THROTTLE_MIN_PERCENT = 0
