"""Fixtures for every room. Each room runs in its own process; dev/run_tests.py explains why."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY
