"""The cache: finished results on disk, found again by a hash of everything they depend on.

A file is written completely and read back only if its checksum matches. When the folder exceeds its limit,
the least recently used files are removed. Deleting files, or the folder, only costs computing them again.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from .atomic import written_whole
from .shown import shown
from .tensor_file import DamagedFile, load_checked, save_checked

ENDING = ".safetensors"
TOGETHER = ".together"  # extension of a folder of finished results that are about to move into the store
SECONDS_TO_WRITE = 3600  # an older unfinished file belongs to a run that was killed
_NOT_PLAIN = r"[^A-Za-z0-9]+"
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
    damaged one, is reported and removed.
    """
    _move_in(store)
    path = store.path(name, key)
    if not path.is_file():
        return None
    try:
        tensors, description = load_checked(path)
        if description.pop("key", None) != key:
            raise DamagedFile(
                f"The cache file {shown(path.name)} belongs to another result, it was renamed: "
                "it is made again."
            )
        result = read(tensors, description)
    except ValueError as error:
        own = isinstance(error, DamagedFile)
        report(str(error) if own else f"The cache file {shown(path.name)} is made again: {error}")
        path.unlink(missing_ok=True)
        return None
    os.utime(path)
    return result


@dataclass(frozen=True, eq=False)
class Finished:
    """A result to store: ``name`` and ``key`` as in ``Store.path``, its tensors and its description
    (JSON)."""

    name: str
    key: str
    tensors: Mapping[str, Tensor]
    description: Mapping


def keep(store: Store, name: str, key: str, tensors: Mapping[str, Tensor], description: Mapping) -> None:
    """``keep_together`` for one result."""
    keep_together(store, [Finished(name, key, tensors, description)])


def keep_together(store: Store, results: Sequence[Finished]) -> None:
    """Write finished results, all or none, then remove the least recently used files beyond the limit.

    The results are written to a folder that appears as a whole. From there they move into the store: now, or
    before the next ``find`` if the run is killed in between.
    """
    store.folder.mkdir(parents=True, exist_ok=True)
    _move_in(store)
    own = uuid.uuid4().hex  # another host can finish the same results at the same moment
    with written_whole(store.folder / f"{own}{TOGETHER}") as folder:
        folder.mkdir()
        for each in results:
            content = {**each.description, "key": each.key}
            save_checked(folder / store.path(each.name, each.key).name, each.tensors, content)
    _move_in(store)
    _remove_unfinished(store.folder)
    _make_room(store, {store.path(each.name, each.key) for each in results})


def _move_in(store: Store) -> None:
    """Another host can share the folder and do the same: a file that is gone is already in its place."""
    for folder in store.folder.glob(f"*{TOGETHER}"):
        with suppress(FileNotFoundError):
            for file in folder.iterdir():
                with suppress(FileNotFoundError):
                    os.replace(file, store.folder / file.name)
            folder.rmdir()


def _make_room(store: Store, newest: set[Path]) -> None:
    files = [(file.stat(), file) for file in store.folder.glob(f"*{ENDING}")]
    total = sum(stat.st_size for stat, _ in files)
    for stat, file in sorted(files, key=lambda each: each[0].st_mtime_ns):
        if total <= store.most_bytes:
            break
        if file not in newest:
            file.unlink(missing_ok=True)
            total -= stat.st_size


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed runs left behind; see ``atomic.py``."""
    for room in folder.glob(".mace-*.tmp"):
        if time.time() - room.stat().st_mtime > SECONDS_TO_WRITE:
            shutil.rmtree(room, ignore_errors=True)
