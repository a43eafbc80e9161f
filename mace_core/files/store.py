"""Finished results on disk, found again by everything they depend on.

A file is written whole and read back only when its checksum matches. The least recently used are removed when
the folder holds more than its bound. Deleting files, or the folder, costs nothing but computing them again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .atomic import written_whole
from .tensor_file import DamagedFile, content_of, load_checked, save_checked

ENDING = ".safetensors"
TOGETHER = ".together"  # a folder of finished results on their way into the store
SECONDS_TO_WRITE = 3600  # an unfinished file that old belongs to a run that was killed
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Store:
    """folder: made when needed, and this store's alone; most_bytes: what its files may take together."""

    folder: Path
    most_bytes: int

    def path(self, name: str, key: str) -> Path:
        """``name`` is for people only, the key alone decides."""
        return self.folder / f"{_NOT_PLAIN.sub('_', name)[:40].strip('_') or 'x'}-{key[:32]}{ENDING}"


def key_of(**parts: object) -> str:
    """A hash of named values (texts, numbers, lists, mappings) and tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(parts.items()):
        if isinstance(value, Tensor):
            digest.update(content_of(value, name))
        else:
            digest.update(json.dumps([name, value], sort_keys=True).encode())
    return digest.hexdigest()


def find(
    store: Store, name: str, key: str, report: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict] | None:
    """What was kept under ``key``, or None. A damaged file is told to ``report`` and removed."""
    _move_in(store)
    path = store.path(name, key)
    if not path.is_file():
        return None
    try:
        tensors, description = load_checked(path)
        if description.pop("key", None) != key:
            raise DamagedFile(
                f"The file '{path.name}' holds something else than its name says: its content is made again."
            )
    except DamagedFile as error:
        report(str(error))
        path.unlink(missing_ok=True)
        return None
    os.utime(path)
    return tensors, description


@dataclass(frozen=True, eq=False)
class Finished:
    """A result to keep: ``name`` and ``key`` as in ``Store.path``, tensors, and what else is known of it."""

    name: str
    key: str
    tensors: Mapping[str, Tensor]
    description: Mapping


def keep(store: Store, name: str, key: str, tensors: Mapping[str, Tensor], description: Mapping) -> None:
    """``keep_together`` of one result."""
    keep_together(store, [Finished(name, key, tensors, description)])


def keep_together(store: Store, results: Sequence[Finished]) -> None:
    """Write finished results, all of them or none, then make room: the files used longest ago go first, these
    last.

    They are written into a folder that appears at once; from there they move into the store, now or, when a
    run is killed in between, before the next ``find``.
    """
    store.folder.mkdir(parents=True, exist_ok=True)
    _move_in(store)
    own = uuid.uuid4().hex  # another host may finish the same results at the same moment
    with written_whole(store.folder / f"{own}{TOGETHER}") as folder:
        folder.mkdir()
        for each in results:
            content = {**each.description, "key": each.key}
            save_checked(folder / store.path(each.name, each.key).name, each.tensors, content)
    _move_in(store)
    _remove_unfinished(store.folder)
    _make_room(store, {store.path(each.name, each.key) for each in results})


def _move_in(store: Store) -> None:
    """Another host may share the folder and be at it too: what is gone by then is where it belongs."""
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
    """What killed runs left behind; see ``whole_file``."""
    for room in folder.glob(".mace-*.tmp"):
        if time.time() - room.stat().st_mtime > SECONDS_TO_WRITE:
            shutil.rmtree(room, ignore_errors=True)
