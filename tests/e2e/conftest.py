"""The real host on the trained miniature, and its judge."""

from collections.abc import Iterator

import pytest

from dev.launch_host import make_importable
from dev.server import Host
from mini.judge import Judge


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def judge() -> Judge:
    make_importable()
    return Judge.load()
