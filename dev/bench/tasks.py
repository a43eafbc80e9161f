"""Measurements as tasks: a pool of processes runs them and saves each result as JSON when it is finished.

An interrupted run therefore resumes where it stopped. They run on the CPU, in two processes; with
MACE_TEST_DEVICE=cuda and MACE_PROCESSES=8, on a GPU and in eight.
"""

import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dev.host.fetch import REPOSITORY
from mace_core.files.atomic import written_whole

KEPT = REPOSITORY / ".cache" / "bench"
PROCESSES = int(os.environ.get("MACE_PROCESSES", "2"))


@dataclass(frozen=True)
class Task:
    """One measurement: `function`, as "module:function", is called with the process's Bench and `given`.

    It must return a value that JSON can represent.
    """

    name: str
    function: str
    given: Mapping[str, Any]


def kept_folder(name: str) -> Path:
    """The folder for a run's finished results. It depends on the hashes of the model and of the judge."""
    from dev.bench.bench import fingerprints

    folder = KEPT / "-".join([name, *(each[:8] for each in fingerprints().values())])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(tasks: Sequence[Task], folder: Path, images: int, processes: int = PROCESSES) -> dict[str, Any]:
    """Task name -> result. Results of earlier runs in `folder` are reused."""
    if waiting := [(task, folder, images) for task in tasks if not _file(folder, task).exists()]:
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(processes) as pool:
            for number, done in enumerate(pool.imap_unordered(_do, waiting), 1):
                print(f"{number} of {len(waiting)}: {done}", flush=True)
    return {task.name: json.loads(_file(folder, task).read_text()) for task in tasks}


@cache
def _bench(host: Path, images: int):
    """One Bench per process, so that the host stays loaded."""
    import torch

    from dev.bench.bench import Bench
    from dev.host.card import ON_CPU
    from dev.host.in_process import load_host

    torch.set_num_threads(1)
    return Bench(load_host(host, ON_CPU), images)


def _do(work: tuple[Task, Path, int]) -> str:
    task, folder, images = work
    module, name = task.function.split(":")
    bench = _bench(folder / "host", images)
    began = time.monotonic()
    result = getattr(importlib.import_module(module), name)(bench, **task.given)
    with written_whole(_file(folder, task)) as partial:
        partial.write_text(json.dumps(result))
    return f"{task.name}, {time.monotonic() - began:.0f} s"


def _file(folder: Path, task: Task) -> Path:
    return folder / f"{task.name.replace(os.sep, ' ')}.json"
