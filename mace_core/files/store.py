"""The cache: finished results on disk, found again by a hash of everything they depend on.

A file is written completely and read back only if its checksum matches. When the folder exceeds its limit,
the least recently used files are removed. Deleting files, or the folder, only costs computing them again.
A folder that cannot be written to, or that holds things of others, is reported in one sentence, the same for
every result, and stops no run. What is not the store's own is never replaced or removed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from .atomic import remove_unfinished, written_whole
from .faults import CANNOT_WRITE, reason_and_cure
from .shown import shown
from .tensor_file import DamagedFile, load_checked, save_checked

ENDING = ".safetensors"
TOGETHER = ".together"  # extension of a folder of finished results that are about to move into the store
CLOCK = 2 * 10**9  # nanoseconds: no file system counts in larger steps
_NOT_PLAIN = r"[^A-Za-z0-9]+"
_OWN_NAME = r"\w+-[0-9a-f]{32}" + re.escape(ENDING)
_OWN_BATCH = r"[0-9a-f]{32}" + re.escape(TOGETHER)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Store:
    """folder: created when needed, used by this store only; most_bytes: the limit for all its files."""

    folder: Path
    most_bytes: int

    def path(self, name: str, key: str) -> Path:
        """The file of a result. ``key`` identifies it; ``name`` is only for people."""
        return self.folder / f"{re.sub(_NOT_PLAIN, '_', name)[:40].strip('_') or 'x'}-{key[:32]}{ENDING}"


def find(
    store: Store,
    name: str,
    key: str,
    report: Callable[[str], None],
    read: Callable[[dict[str, Tensor], dict], Result],
) -> Result | None:
    """What ``read`` makes of the tensors and the description stored under ``key``, or None.

    read: raises ValueError for tensors or a description of another form. A file of another form, like a
    damaged one, is reported and removed. One that cannot be read, or is no file, is reported.
    """
    _move_in(store, report)
    path = store.path(name, key)
    try:
        if not path.is_file():
            if os.path.lexists(path):
                report(_foreign(path))
            return None
        tensors, description = load_checked(path)
        if description.pop("key", None) != key:
            raise DamagedFile(
                f"The cache file {shown(path.name)} belongs to another result, it was renamed: "
                "it is made again."
            )
        result = read(tensors, description)
    except FileNotFoundError:  # removed by another host
        return None
    except OSError as error:
        reason, _ = reason_and_cure(error)
        report(f"The cache file {shown(path.name)} cannot be read ({reason}): its result is computed again.")
        return None
    except ValueError as error:
        own = isinstance(error, DamagedFile)
        report(str(error) if own else f"The cache file {shown(path.name)} is made again: {error}")
        if _is_own(path):
            _remove(path)
        return None
    _mark_used(path)
    return result


@dataclass(frozen=True, eq=False)
class Finished:
    """A result to store: ``name`` and ``key`` as in ``Store.path``, its tensors and its description
    (JSON)."""

    name: str
    key: str
    tensors: Mapping[str, Tensor]
    description: Mapping


def keep(
    store: Store,
    name: str,
    key: str,
    tensors: Mapping[str, Tensor],
    description: Mapping,
    report: Callable[[str], None],
) -> None:
    """``keep_together`` for one result."""
    keep_together(store, [Finished(name, key, tensors, description)], report)


def keep_together(store: Store, results: Sequence[Finished], report: Callable[[str], None]) -> None:
    """Write finished results, all or none, then remove the least recently used files beyond the limit.

    The results are written to a folder that appears as a whole. From there they move into the store: now, or
    before the next ``find`` if the run is killed in between. report: gets one sentence if they cannot be
    written, or if something else has the name of one.
    """
    paths = {store.path(each.name, each.key): each for each in results}
    own = uuid.uuid4().hex  # another host can finish the same results at the same moment
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        _move_in(store, report)
        if foreign := [path for path in paths if os.path.lexists(path) and not _is_own(path)]:
            report(_foreign(foreign[0]))
            return
        with written_whole(store.folder / f"{own}{TOGETHER}") as folder:
            folder.mkdir()
            for path, each in paths.items():
                save_checked(folder / path.name, each.tensors, {**each.description, "key": each.key})
    except CANNOT_WRITE as error:
        report(_cannot_write(store, error))
        return
    _move_in(store, report)
    remove_unfinished(store.folder)
    _make_room(store, set(paths))


def _move_in(store: Store, report: Callable[[str], None]) -> None:
    """Another host can share the folder and do the same: a file that is gone is already in its place."""
    for folder in _inside(store, f"*{TOGETHER}"):
        if not re.fullmatch(_OWN_BATCH, folder.name) or folder.is_symlink() or not folder.is_dir():
            if os.path.lexists(folder):
                report(_foreign(folder))
            continue
        try:
            _move_batch(folder, store.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            left = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            report(_foreign(folder, "holds something that") if left else _cannot_write(store, error))


def _move_batch(folder: Path, target: Path) -> None:
    for file in folder.iterdir():
        place = target / file.name
        if file.suffix == ENDING and _is_own(file) and (_is_own(place) or not os.path.lexists(place)):
            with suppress(FileNotFoundError):
                os.replace(file, place)
    folder.rmdir()


def _make_room(store: Store, newest: set[Path]) -> None:
    files = {}
    for file in _inside(store, f"*{ENDING}"):
        with suppress(OSError):
            if re.fullmatch(_OWN_NAME, file.name) and _is_own(file):
                files[file] = file.stat()
    # After the clock went back, new files would count as the oldest ones.
    latest = max((status.st_mtime_ns for file, status in files.items() if file not in newest), default=0)
    for file in newest & files.keys():
        if files[file].st_mtime_ns < latest:
            _mark_used(file, latest + CLOCK)
    total = sum(status.st_size for status in files.values())
    for file, status in sorted(files.items(), key=lambda each: each[1].st_mtime_ns):
        if total <= store.most_bytes:
            break
        if file not in newest and _remove(file):
            total -= status.st_size


def _inside(store: Store, pattern: str) -> list[Path]:
    with suppress(OSError):
        return sorted(store.folder.glob(pattern))
    return []


def _is_own(path: Path) -> bool:
    """Whether it is a file, which the store can replace and remove: a folder or a link is the user's."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _mark_used(path: Path, when: int = 0) -> None:
    """Set its time to now, or to ``when`` if that is later; never to an earlier one than it has."""
    with suppress(OSError, OverflowError):  # such as a read-only folder
        later = max(time.time_ns(), when, path.stat().st_mtime_ns)
        os.utime(path, ns=(later, later))


def _remove(path: Path) -> bool:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        return True
    return False


def _foreign(path: Path, what: str = "is something that") -> str:
    return (
        f"{shown(path.name)} in the cache folder {_called(path.parent)} {what} this pack did not make, and "
        "nothing is cached under its name: move it away."
    )


def _cannot_write(store: Store, error: Exception) -> str:
    reason, cure = reason_and_cure(error)
    return (
        f"The cache folder {_called(store.folder)} cannot be written to ({reason}), so the run goes on "
        f"without caching: {cure}."
    )


def _called(folder: Path) -> str:
    return shown(f"{folder.parent.name}/{folder.name}")
