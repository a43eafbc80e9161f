"""The real host with the trained miniature, and the miniature's judge."""

from collections.abc import Iterator

import pytest

from dev.host.launch import make_importable
from dev.host.server import Host
from mace_core.evaluation.judge import Judge
from mini.vocabulary import JUDGE


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def judge() -> Judge:
    make_importable()
    return Judge.load(JUDGE)
