"""Files that appear complete or not at all, under a name that is given or under the first free number."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TypeVar

from .faults import CANNOT_WRITE, CannotWrite

SECONDS_TO_WRITE = 3600  # an older unfinished file belongs to a run that was killed
_ROOM, _ENDING = ".mace-", ".tmp"  # of the temporary folders
Result = TypeVar("Result")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path for the file or folder ``path``, moved there when the block ends without an error.

    The temporary path is inside the parent folder of ``path``, which must exist. After a crash or an
    exception, ``path`` is as it was before. A file can replace a file; a folder must be new.
    """
    path = Path(path)
    with _unfinished(path.parent) as unfinished:
        yield unfinished
        _to_disk(unfinished)
        os.replace(unfinished, path)


def written_numbered(
    base: str | Path, extension: str, write: Callable[[Path], Result]
) -> tuple[Path, Result]:
    """A new file or folder ``base_00001`` with the extension, or the first number that is free, and what
    ``write`` returned, which writes it to the path it is given.

    Nothing is replaced, also when other processes write under the same name at the same moment. The parent
    folder is made, and what killed runs left in it is removed. Raises CannotWrite, a ValueError, if it cannot
    be written to.
    """
    base = Path(base)
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(base.parent)
        with _unfinished(base.parent) as unfinished:
            result = write(unfinished)
            _to_disk(unfinished)
            for number in count(1):
                path = base.with_name(f"{base.name}_{number:05}{extension}")
                if not os.path.lexists(path) and _placed(unfinished, path):
                    return path, result
    except CANNOT_WRITE as error:
        raise CannotWrite(base.name + extension, error) from error


def remove_unfinished(folder: str | Path) -> None:
    """Remove from the folder what runs left that were killed while they wrote a file into it."""
    with suppress(OSError):  # such as a folder that is gone by now
        for room in sorted(Path(folder).glob(f"{_ROOM}*{_ENDING}")):
            status = room.lstat()
            if stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > SECONDS_TO_WRITE:
                shutil.rmtree(room, ignore_errors=True)


def _placed(unfinished: Path, path: Path) -> bool:
    """Move a finished file or folder to a path that was free; False if another process has it by now."""
    try:
        if unfinished.is_dir():
            os.rename(unfinished, path)  # fails for a file and for a folder with files
        else:
            _place_file(unfinished, path)
    except OSError:
        if os.path.lexists(path):
            return False
        raise
    return True


def _place_file(unfinished: Path, path: Path) -> None:
    with suppress(OSError, AttributeError):  # some file systems and systems have no hard links
        os.link(unfinished, path)
        return
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.replace(unfinished, path)
    except OSError:
        os.unlink(path)
        raise


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A path in a temporary folder inside ``folder``, which is removed afterwards."""
    room = Path(tempfile.mkdtemp(prefix=_ROOM, suffix=_ENDING, dir=folder))
    try:
        yield room / "unfinished"
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _to_disk(unfinished: Path) -> None:
    for file in [unfinished, *unfinished.rglob("*")]:
        if file.is_file():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())
