"""Memory runs out: raised by `injector/` inside the server, and really, by a limit of its process."""

import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from dev.faults.job import METHODS, larger, stages_only, whole
from dev.faults.lab import ANSWERS, Lab, Tally
from dev.faults.server import FILES, Server
from mace_core.erasure.erasure import Erasure
from mace_core.erasure.erasure_file import load_erasure

MOMENTS, LIMITS = 6, 4
SENTENCE, WORDS = "one sentence, or completed", "There is not enough memory"
LESS = (2, 3)  # samples that fit into memory: fewer than the job uses at once
ROUNDING = 1e-3  # of results from smaller batches
SPARE = (0, 2**20, 2**26)  # bytes


def out_of_memory(lab: Lab, tally: Tally) -> None:
    """From a random moment of a run on, every pass of the U-Net raises torch's out-of-memory error: the run
    must end with one sentence, or have needed no more passes. Then memory for two or three samples only: the
    run must complete, with the same erasure up to rounding."""
    with lab.server("out_of_memory") as server:
        for method, seconds in lab.moments("out_of_memory", MOMENTS):
            server.forget()
            prompt = server.client.submit(stages_only(whole(method)))
            time.sleep(seconds)
            server.inject(most=0)
            tally.check(SENTENCE, *server.ended_with(prompt, WORDS, or_complete=True))
            server.inject(most=None)
            lab.recovered(server, tally, method)
        expected, distances = _saved(server), []
        for most in LESS:
            server.forget()
            server.inject(most=most)
            prompt = server.client.submit(stages_only(whole(METHODS[-1])))
            server.client.wait(prompt)
            server.inject(most=None)
            distances.append(_distance(_saved(server), expected))
            tally.check("completes with less", distances[-1] < ROUNDING, distances[-1])
            server.forget()
            lab.recovered(server, tally, METHODS[-1])
    tally.note = f"With less memory, the LoRAs differ by {max(distances):.0e} of their norm, at most."


def memory_limit(lab: Lab, tally: Tally) -> None:
    """A real limit: from a random moment of a run with larger images on, the address space of the server's
    process (RLIMIT_AS) can grow by only 0, 1 or 64 MB. The run must end with one sentence, or fit, and the
    server must answer. It is then restarted, because torch's oneDNN, once it had no memory for a convolution,
    makes no new ones in that process, with or without this pack."""
    with lab.server("memory_limit") as server:
        for number, (method, seconds) in enumerate(lab.moments("memory_limit", LIMITS)):
            server.forget()
            prompt = server.client.submit(stages_only(larger(whole(method))))
            time.sleep(seconds)
            with limited(server.host.process.pid, SPARE[number % len(SPARE)]):
                tally.check(SENTENCE, *server.ended_with(prompt, WORDS, or_complete=True))
            tally.check(ANSWERS, server.answers())
            server.host.restart()
            server.forget()
            lab.recovered(server, tally, method)


@contextmanager
def limited(process: int, spare: int) -> Iterator[None]:
    """A process that can take `spare` bytes more."""
    status = Path(f"/proc/{process}/status").read_text()
    used = 1024 * int(re.search(r"VmSize:\s+(\d+) kB", status)[1])
    before = resource.prlimit(process, resource.RLIMIT_AS)
    resource.prlimit(process, resource.RLIMIT_AS, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_AS, before)


def _saved(server: Server) -> Erasure:
    """The newest erasure."""
    return load_erasure(max(server.mace.glob(FILES)))


def _distance(found: Erasure, expected: Erasure) -> float:
    """Of what two erasures add to the weights, relative to the expected one."""
    names = list(expected.low_rank)
    pairs = [(_change(found, name), _change(expected, name)) for name in names]
    return max(((one - other).norm() / other.norm()).item() for one, other in pairs)


def _change(erasure: Erasure, name: str) -> Tensor:
    U, D = erasure.low_rank[name]
    return U.double() @ D.double()
