"""The workers of a run: started while there are orders, replaced when they die, stopped with the run."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..host.arguments import here
from ..host.progress import check_interrupted
from .connection import Connection, WorkerDied

TRIES = 3  # for an order, and for starting a worker
SECONDS_BETWEEN_LOOKS = 0.2  # at a cancelled run
SECONDS_TO_WAIT = 60  # for a first worker, before the user is told


@dataclass(frozen=True)
class Order:
    """name: for people; write: makes what is sent, when a worker is free, and again if that worker dies."""

    name: str
    write: Callable[[], dict]


@dataclass
class Pool:
    """Workers of a joined cluster. A worker keeps what it has loaded for all orders of the pool."""

    connection: Connection
    _starting: dict[Any, Any] = field(default_factory=dict)  # ticket -> worker
    _idle: list[Any] = field(default_factory=list)
    _busy: dict[Any, tuple[Any, int]] = field(default_factory=dict)  # ticket -> worker, place of its order
    _failed: int = 0  # workers in succession that died before they were ready
    _since: float = 0.0  # when an order was sent last

    def answers(self, orders: Sequence[Order], warn: Callable[[str], None]) -> Iterator[tuple[int, dict]]:
        """Yield the place of each order with its answer, in the order in which they are finished.

        An order whose worker dies goes to another one, and `warn` gets a sentence. Raises ValueError if that
        happens TRIES times, or for an answer that is an `error`; the host's exception if the run is
        cancelled. Workers that are busy then are stopped.
        """
        waiting, tried, self._since = deque(range(len(orders))), Counter(), time.monotonic()
        try:
            while waiting or self._busy:
                check_interrupted()
                self._start(len(waiting) + len(self._busy))
                while waiting and self._idle:
                    self._send(waiting.popleft(), orders)
                if not self._busy and time.monotonic() - self._since > SECONDS_TO_WAIT:
                    warn(self._waits())
                place, answer = self._next()
                if isinstance(answer, WorkerDied):
                    tried[place] += 1
                    _say_died(orders[place].name, tried[place], answer, warn)
                    waiting.appendleft(place)
                elif answer is not None:
                    yield place, _checked(answer)
        finally:
            self._stop(worker for worker, _ in self._busy.values())
            self._busy.clear()

    def _send(self, place: int, orders: Sequence[Order]) -> None:
        worker = self._idle.pop()
        ticket = self.connection.send(worker, here(), orders[place].write())
        self._busy[ticket], self._since = (worker, place), time.monotonic()

    def _next(self) -> tuple[int, dict | WorkerDied | None]:
        """The place of an order that is done with, and its answer or how its worker died; None if there is
        none yet."""
        for ticket in self.connection.answered([*self._starting, *self._busy], SECONDS_BETWEEN_LOOKS):
            if ticket in self._starting:
                self._started(ticket)
                continue
            worker, place = self._busy[ticket]
            try:
                answer = self.connection.answer(ticket)
                self._idle.append(worker)
            except WorkerDied as death:
                answer = death
            del self._busy[ticket]
            return place, answer
        return -1, None

    def end(self) -> None:
        """Stop all workers and leave the cluster."""
        self._stop([*self._starting.values(), *self._idle, *(worker for worker, _ in self._busy.values())])
        self._starting.clear()
        self._idle.clear()
        self._busy.clear()  # a run that is cancelled while it uses an answer has not stopped them yet
        self.connection.leave()

    def _start(self, orders: int) -> None:
        """As many workers as there are orders and room, and one without room: the cluster can grow."""
        wanted = min(orders, max(self.connection.places(), 1))
        for _ in range(wanted - len(self._starting) - len(self._idle) - len(self._busy)):
            worker, ticket = self.connection.start()
            self._starting[ticket] = worker

    def _started(self, ticket: Any) -> None:
        worker = self._starting.pop(ticket)
        try:
            self.connection.answer(ticket)
        except WorkerDied as death:
            self._failed += 1
            if self._failed >= TRIES:
                raise ValueError(
                    f"Ray cannot start a worker ({death}): see the logs of the cluster."
                ) from None
            return
        self._failed = 0
        self._idle.append(worker)

    def _stop(self, workers: Any) -> None:
        for worker in workers:
            self.connection.stop(worker)

    def _waits(self) -> str:
        return (
            f"No worker has started for {SECONDS_TO_WAIT} s: each needs {self.connection.needs}, and the "
            f"cluster has room for {self.connection.places()}, if nothing else runs on it"
        )


def _checked(answer: dict) -> dict:
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


def _say_died(name: str, tried: int, death: WorkerDied, warn: Callable[[str], None]) -> None:
    if tried >= TRIES:
        raise ValueError(
            f"{tried} workers died while they worked on {name} ({death}): see the logs of the cluster, and "
            "start the run again, which goes on with what is cached."
        )
    warn(f"a worker died while it worked on {name} ({death}): another one starts it again")
