"""The only file that calls Ray, which users install themselves. It is imported when a cluster is joined.

Ray itself opens connections and sends pickles. What this pack sends and gets is plain: JSON and safetensors.
"""

import os
import socket
import sys
from collections.abc import Iterable
from threading import Thread
from typing import Any

from . import seed

VARIABLE = "RAY_ADDRESS"
SECONDS_TO_ANSWER, SECONDS_TO_JOIN = 10, 60
START_OR_LEAVE = (
    f"start one with `ray start --head`, set {VARIABLE} to the address of one, or do without it (leave out "
    f"--ray in the command line; unset {VARIABLE} for the nodes)."
)


class WorkerDied(Exception):
    """A worker's process or machine is gone. It says why, as far as Ray knows."""


class Connection:
    """A joined cluster, and its workers: each a process that has a GPU, or CPUs, to itself."""

    def __init__(self, ray: Any, own: bool, gpu: bool, threads: int):
        self._ray, self._own, self._gpu = ray, own, gpu
        most = max((int(each.get("CPU", 0)) for each in self._machines()), default=1)
        self._cpus = 1 if gpu else max(1, min(threads, most))

    def places(self) -> int:
        """How many workers the cluster has room for, busy or not."""
        if self._gpu:
            return sum(int(each.get("GPU", 0)) for each in self._machines())
        return sum(int(each.get("CPU", 0)) // self._cpus for each in self._machines())

    @property
    def needs(self) -> str:
        """What one worker takes, in words."""
        return "1 GPU" if self._gpu else f"{self._cpus} CPU{'s' * (self._cpus > 1)}"

    def start(self) -> tuple[Any, Any]:
        """A new worker, and the ticket of its first answer, which comes once it has room."""
        self._ray.cloudpickle.register_pickle_by_value(seed)
        alone = {"num_cpus": self._cpus, "num_gpus": int(self._gpu), "max_restarts": 0}
        worker = self._ray.remote(**alone)(seed.MaceWorker).remote()
        return worker, worker.ready.remote()

    def send(self, worker: Any, here: dict, order: dict) -> Any:
        """The ticket of the answer to an order."""
        return worker.carry_out.remote(here, order)

    def answered(self, tickets: Iterable[Any], seconds: float) -> list[Any]:
        """The first of the tickets that is answered, or whose worker died; none after so many seconds."""
        return self._ray.wait(list(tickets), num_returns=1, timeout=seconds)[0]

    def answer(self, ticket: Any) -> Any:
        """What a worker answered. Raises WorkerDied, or the error of a fault in this pack."""
        try:
            return self._ray.get(ticket)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as error:
            raise WorkerDied(_first_line(error)) from error

    def stop(self, worker: Any) -> None:
        """End a worker at once, whatever it is doing."""
        self._ray.kill(worker)

    def leave(self) -> None:
        """Leave the cluster, unless this process had joined it before."""
        if self._own:
            self._ray.shutdown()

    def _machines(self) -> list[dict]:
        return [machine["Resources"] for machine in self._ray.nodes() if machine["Alive"]]


def join(gpu: bool, threads: int) -> Connection:
    """Join the cluster of RAY_ADDRESS, or the one that runs on this machine.

    gpu: whether workers need a GPU; threads: otherwise, how many CPUs one needs. Raises ValueError if Ray is
    not installed, or if no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            f"Ray is not installed ({error}): run `{sys.executable} -m pip install ray`, or do without it "
            f"(leave out --ray in the command line; unset {VARIABLE} for the nodes)."
        ) from None
    if ray.is_initialized():
        return Connection(ray, False, gpu, threads)
    address = os.environ.get(VARIABLE) or "auto"
    _knock(address)
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except BaseException as error:  # SystemExit too: this thread ends anyway
            failed.append(error)

    # In a thread, because it can wait for minutes, and because it would replace our handler of SIGTERM.
    thread = Thread(target=begin, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_JOIN)
    if failed or thread.is_alive():
        raise _unreachable(address, _first_line(failed[0]) if failed else f"{SECONDS_TO_JOIN} s have passed")
    return Connection(ray, True, gpu, threads)


def _knock(address: str) -> None:
    """Raise ValueError if nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # auto, or another word that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, why: str) -> ValueError:
    where = "on this machine" if address == "auto" else f"at {address}"
    return ValueError(f"No Ray cluster can be joined {where} ({why}): {START_OR_LEAVE}")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
