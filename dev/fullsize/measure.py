"""Time and peak memory of a function call in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

MIB = 2**20


def stage(work: Callable):
    """The result of `work()`, and its seconds, CPU seconds and peak resident memory in MiB.

    The kernel's high-water mark is reset first, so that the peak belongs to this call.
    """
    reset_peak()
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    result = work()
    took = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "rss_before": before,
        "rss_peak": resident("VmHWM"),
    }
    return result, {name: round(value, 2) for name, value in took.items()}


def peak_allocated(work: Callable) -> float:
    """The peak memory in MiB that torch allocates during `work()`, from its profiler; raises RuntimeError if
    the profiler records none."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as run:
        work()
    sizes = [
        event.nbytes()
        for event in sorted(run.profiler.kineto_results.events(), key=_start)
        if event.name() == "[memory]"
    ]
    held = peak = 0
    for size in sizes:
        held += size
        peak = max(peak, held)
    if not peak:
        raise RuntimeError(
            "torch's profiler recorded no allocation: use a build of torch that profiles memory."
        )
    return peak / MIB


def _start(event) -> int:
    return event.start_ns()


def reset_peak() -> None:
    """Let the kernel's high-water mark start again from the memory in use."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(field: str) -> float:
    """Memory of this process in MiB: "VmRSS" now, "VmHWM" its high-water mark."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)
