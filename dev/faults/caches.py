"""Faults of models/mace: damaged files, foreign things, and deleted while a run uses it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from dev.faults.job import METHODS, NAME, loading, whole
from dev.faults.lab import Lab, Tally
from dev.faults.server import CACHES, FILES, Server
from dev.host.client import ExecutionFailed

DELETED = 8
DAMAGE: dict[str, Callable[[bytes, bytes], bytes]] = {
    "its first half only": lambda own, other: own[: len(own) // 2],
    "no byte": lambda own, other: b"",
    "one bit flipped": lambda own, other: own[:-9] + bytes([own[-9] ^ 4]) + own[-8:],
    "zeros": lambda own, other: bytes(len(own)),
    "text": lambda own, other: b"not a result\n" * 99,
    "the file of another result": lambda own, other: other,
}


def damaged(lab: Lab, tally: Tally) -> None:
    """Every file in the caches is damaged: cut in half, emptied, one bit flipped, zeros, text, and the whole
    file of another result under its name. Each must be reported and made again. Load Erasure must refuse an
    erasure that is damaged in these ways."""
    with lab.server("damaged") as server:
        server.do_job(METHODS[0])
        for damage in DAMAGE.values():
            files = server.cached()
            contents = [path.read_bytes() for path in files]
            for path, own, other in zip(files, contents, contents[1:] + contents[:1], strict=True):
                path.write_bytes(damage(own, other))
            since = server.position()
            lab.recovered(server, tally)
            reported = server.warnings(since, "made again")
            tally.check("each file reported", len(reported) == len(files), dict(reported))
        _erasures(lab, server, tally)


def _erasures(lab: Lab, server: Server, tally: Tally) -> None:
    good = min(server.mace.glob(FILES))
    image = server.client.run(loading(good.name))["erased"]["text"][0]
    tally.check("saved erasure loads", image == lab.reference.results[METHODS[0]].image)
    other = server.cached()[0].read_bytes()
    for number, damage in enumerate(DAMAGE.values()):
        path = server.mace / f"damaged_{number}.safetensors"
        path.write_bytes(damage(good.read_bytes(), other))
        sentence = server.refusal(loading(path.name))
        told = sentence.startswith(f"'{path.name}' is ") and sentence.count(". ") == 0
        tally.check("damaged erasure refused", told, sentence)
        path.unlink()


def foreign(lab: Lab, tally: Tally) -> None:
    """The name of each result is taken by a folder with a file, a dangling link, or a link to itself; the
    next two names of the erasure by a folder and a dangling link. In each cache there are a file `x.together`
    and a folder `y.together`. Two runs must complete, warn once of each thing, and leave all as it is."""
    with lab.server("foreign") as server:
        server.do_job(METHODS[0])
        names = server.cached()
        for number, path in enumerate(names):
            path.unlink()
            _put(path, number)
        for cache in CACHES:
            (server.mace / cache / "x.together").touch()
            (server.mace / cache / "y.together").mkdir()
        _put(server.mace / f"{NAME}_00002.safetensors", 0)
        _put(server.mace / f"{NAME}_00003.safetensors", 1)
        before = _things(server)
        for _ in range(2):
            since = server.position()
            result = server.do_job(METHODS[0])
            tally.check("run goes on", result == lab.reference.results[METHODS[0]], result)
            warned = server.warnings(since, "this pack did not make")
            tally.check("each thing once", warned and set(warned.values()) == {1}, dict(warned))
            tally.check("nothing foreign changed", before == _things(server))
        for path in before:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        lab.recovered(server, tally)


def _put(path: Path, number: int) -> None:
    if number % 3 == 0:
        (path / "own").mkdir(parents=True)
        (path / "own" / "notes.txt").write_text("mine")
    else:
        path.symlink_to("nowhere" if number % 3 == 1 else path.name)


def _things(server: Server) -> list[Path]:
    """Everything in models/mace but results and erasures."""
    return sorted(path for path in server.mace.rglob("*") if path.name not in CACHES and not _is_result(path))


def _is_result(path: Path) -> bool:
    return path.match(FILES) and path.is_file() and not path.is_symlink()


def deleted(lab: Lab, tally: Tally) -> None:
    """models/mace is deleted at a random moment of a run; at the end, again and again for a whole run. The
    run must give the right image, and save its erasure or say in one sentence that it could not."""
    with lab.server("deleted") as server:
        for method, seconds in lab.moments("deleted", DELETED):
            server.forget()
            prompt = server.client.submit(whole(method))
            time.sleep(seconds)
            shutil.rmtree(server.mace, ignore_errors=True)
            _completes(lab, server, tally, prompt, method)
            lab.recovered(server, tally, method)
        prompt = server.client.submit(whole())
        while server.client.history(prompt) is None:
            shutil.rmtree(server.mace, ignore_errors=True)
        _completes(lab, server, tally, prompt, METHODS[0])
        lab.recovered(server, tally)


def _completes(lab: Lab, server: Server, tally: Tally, prompt: str, method: str) -> None:
    try:
        image = server.client.wait(prompt)["outputs"]["erased"]["text"][0]
        tally.check("run goes on", image == lab.reference.results[method].image, image)
    except ExecutionFailed as failed:
        told = f"'{NAME}.safetensors' cannot be written"
        tally.check("run goes on", failed.data["exception_message"].startswith(told), failed)
