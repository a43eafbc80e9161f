"""Whether a run uses the user's cluster: because the command line says so, or because RAY_ADDRESS is set."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..host.arguments import on_gpu, threads
from .connection import VARIABLE, join
from .pool import Pool


@dataclass(frozen=True)
class _Joined:
    checkpoint: str
    pool: Pool


_joined: _Joined | None = None  # by the command line, for all of its stages


@contextmanager
def on_cluster(checkpoint: str) -> Iterator[None]:
    """Inside the context, the workers of the cluster generate images and train.

    checkpoint: the name under which they load the model. Raises ValueError if no cluster can be joined.
    """
    global _joined
    with pool_of_workers() as pool:
        _joined = _Joined(checkpoint, pool)
        try:
            yield
        finally:
            _joined = None


def is_wanted(in_a_graph: bool) -> bool:
    """Whether the user has asked for the cluster. RAY_ADDRESS is about runs of a graph only."""
    return _joined is not None or in_a_graph and bool(os.environ.get(VARIABLE))


def named_checkpoint() -> str | None:
    """The checkpoint that the command line named; None in a run of a graph."""
    return _joined.checkpoint if _joined else None


@contextmanager
def pool_of_workers() -> Iterator[Pool]:
    """The pool that the command line has, or one for this context only."""
    if _joined is not None:
        yield _joined.pool
        return
    pool = Pool(join(on_gpu(), threads()))
    try:
        yield pool
    finally:
        pool.end()
