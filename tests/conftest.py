"""Shared by every room. Each room runs in a process of its own (dev/run_tests.py says why)."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY
