"""What all faults share: the undisturbed result, moments of a run, and the bounds after each fault."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from dev.faults.job import METHODS
from dev.faults.server import Result, Server
from dev.host.client import ExecutionFailed, Interrupted

RIGHT, ORIGINAL, ANSWERS, INTACT = "right result", "original MODEL", "server answers", "no damaged file"
SAME_FOR_ALL = (RIGHT, ORIGINAL, ANSWERS, INTACT)
FAILED = (ExecutionFailed, Interrupted, requests.RequestException, OSError, RuntimeError)


@dataclass
class Tally:
    """The bounds of one fault. bounds: what must hold -> [how often it held, how often it was checked]."""

    bounds: dict[str, list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    note: str = ""

    def check(self, what: str, held: bool, problem: object = "") -> None:
        """Count one check; `problem` says what was found instead."""
        counts = self.bounds.setdefault(what, [0, 0])
        counts[0] += bool(held)
        counts[1] += 1
        if not held:
            self.problems.append(f"{what}: {problem}" if problem else what)

    @property
    def holds(self) -> bool:
        """Whether every bound held every time, and at least one was checked."""
        return bool(self.bounds) and all(held == checked for held, checked in self.bounds.values())


@dataclass(frozen=True)
class Reference:
    """An undisturbed server: its result and seconds by method, and an image of the MODEL, made first.
    comfyui: its version."""

    results: dict[str, Result]
    seconds: dict[str, float]
    original: str
    comfyui: str


class Stopped(BaseException):
    """The harness was stopped by its user."""


class Lab:
    """folder: of all servers; kills: how often a server is killed; seed: of all random moments. After
    `stopping` is set, no fault goes on."""

    def __init__(self, folder: Path, kills: int, seed: int = 0):
        self.folder, self.kills, self.seed, self.stopping = folder, kills, seed, False
        self.reference = self._undisturbed()

    def server(self, name: str, mace: Path | None = None) -> Server:
        """A server in its own folder, to be started."""
        return Server(self.folder / name, mace)

    def _undisturbed(self) -> Reference:
        """Each method runs twice: the second time, everything is loaded, as for most faults."""
        results, seconds = {}, {}
        with self.server("undisturbed") as server:
            original, version = server.image(), server.version()
            for method in METHODS:
                found = []
                for _ in range(2):
                    server.forget()
                    started = time.monotonic()
                    found.append(server.do_job(method))
                    seconds[method] = time.monotonic() - started
                if found[0] != found[1] or server.image() != original:
                    raise RuntimeError(f"Two undisturbed runs differ ({method}): no fault can be judged.")
                results[method] = found[0]
        return Reference(results, seconds, original, version)

    def moments(self, name: str, count: int) -> Iterator[tuple[str, float]]:
        """A method, and seconds after the start of its run: random, one in each part of the run."""
        generator = random.Random(f"{name} {self.seed}")
        for number in range(count):
            method = METHODS[number % len(METHODS)]
            share = (number + generator.random()) / count
            yield method, share * self.reference.seconds[method]

    def recovered(self, server: Server, tally: Tally, method: str = METHODS[0]) -> None:
        """After a fault: the job again, and the four bounds that are the same for all faults."""
        if self.stopping:
            raise Stopped
        reference = self.reference
        tally.check(RIGHT, *_equal(lambda: server.do_job(method), reference.results[method]))
        tally.check(ORIGINAL, *_equal(server.image, reference.original))
        tally.check(ANSWERS, *_equal(server.answers, True))
        tally.check(INTACT, not (damaged := server.damaged()), ", ".join(damaged))


def _equal(work: Callable[[], object], expected: object) -> tuple[bool, object]:
    """Whether the result is the expected one; otherwise also what it is, or the error."""
    try:
        found = work()
    except FAILED as error:
        return False, error
    return found == expected, found
