"""The rule for any input: a right result or one sentence, soon, in memory in proportion to the input."""

from __future__ import annotations

import resource
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from mace_core.files.tensor_file import DamagedFile

SECONDS = 2.0
MEMORY = 32e6  # bytes, and
PER_BYTE = 200  # bytes for each byte of the input: Python objects are large
TENSORS = 256e6  # bytes that the process grew by, which tracemalloc does not see
SENTENCE = 1000  # characters
seen = {"cases": 0, "results": 0, "sentences": 0}


def answer(call: Callable, *given: Any, size: int) -> Any:
    """The result, or None after a sentence. size: bytes of the input. Raises AssertionError otherwise."""
    seen["cases"] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    started = time.process_time()
    try:
        result = call(*given)
        seen["results"] += 1
    except ValueError as error:
        seen["sentences"] += 1
        result = None
        check_sentence(error)
    finally:
        seconds, most = time.process_time() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert seconds < SECONDS and most < MEMORY + PER_BYTE * size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < TENSORS / 1024
    return result


def check_sentence(error: ValueError) -> None:
    """A sentence of the pack: no error of a library, one line that any log can hold, an end."""
    said = str(error)
    assert type(error) in (ValueError, DamagedFile), repr(error)
    assert said.isprintable() and said.endswith(".") and len(said) < SENTENCE, said
