"""Faults of the disk: it is full, or models/mace and the output folder are read-only.

Both are real mounts, so root meets them too. `__main__.py` starts the harness in its own mount namespace.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev.faults.job import METHODS, NAME, scored, whole
from dev.faults.lab import Lab, Tally
from dev.faults.server import Server

SIZE = 16 * 2**20  # bytes of the small disk: a job needs about two million
FREE = (0, 60_000, 250_000, 800_000)  # bytes left on the disk when it is full
CANNOT = "cannot be written to"


def full_disk(lab: Lab, tally: Tally) -> None:
    """models/mace, the output folder and the temp folder are on one small disk (tmpfs), filled up to 0, 60,
    250 and 800 kB. The run must go on to its end and show its scores; Save Erasure has nothing else to do and
    must say so in one sentence, unless its file fits. Then space is freed."""
    server = lab.server("full_disk")
    base, disk = server.host.base, server.host.base / "disk"
    with ExitStack() as mounts:
        disk.mkdir()
        mounts.enter_context(mounted(disk, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs"))
        for folder in ("models/mace", "output", "temp"):
            place = disk / folder.replace("/", "-")
            place.mkdir()
            mounts.enter_context(mounted(base / folder, "--bind", str(place)))
        mounts.enter_context(server)
        for free in FREE:
            server.forget()
            _fill(disk, free)
            _goes_on(lab, server, tally, "the disk is full", must_fail=not free)
            (disk / "ballast").unlink()
            lab.recovered(server, tally)


def _fill(disk: Path, free: int) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:  # full
            ballast.truncate(max(0, ballast.tell() - free))


def read_only(lab: Lab, tally: Tally) -> None:
    """models/mace and output are mounted read-only, first when models/mace is empty, then when it has some of
    the results. The run must go on to its end and show its scores; Save Erasure must say so in one
    sentence. Then both are writable again."""
    with lab.server("read_only") as server:
        for some in (False, True):
            server.forget()
            if some:
                server.do_job(METHODS[0])
                server.forget_some()
            with only_readable(server.mace), only_readable(server.host.base / "output"):
                _goes_on(lab, server, tally, "read-only file system", must_fail=True)
            lab.recovered(server, tally)


def _goes_on(lab: Lab, server: Server, tally: Tally, reason: str, must_fail: bool) -> None:
    since = server.position()
    outputs = server.client.run(scored())
    image = outputs["erased"]["text"][0]
    tally.check("run goes on", image == lab.reference.results[METHODS[0]].image, image)
    tally.check("scores shown", "| a photo of the ship" in outputs["score"]["text"][0])
    warned = server.warnings(since, CANNOT)
    tally.check("each warning once", warned and set(warned.values()) == {1}, dict(warned))
    sentence = server.refusal(whole())
    told = sentence.startswith(f"'{NAME}.safetensors' cannot be written ({reason}): ")
    tally.check("Save Erasure says so", told or not (sentence or must_fail), sentence)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """The folder as a mount point, with these options of mount(8)."""
    _run("mount", *options, str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


@contextmanager
def only_readable(folder: Path) -> Iterator[None]:
    """The folder mounted on itself, read-only."""
    with mounted(folder, "--bind", str(folder)):
        _run("mount", "-o", "remount,bind,ro", str(folder))
        yield


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
