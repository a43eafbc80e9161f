"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path for the file or folder ``path``, moved there when the block ends without an error.

    The temporary path is inside the parent folder of ``path``, which must exist. After a crash or an
    exception, ``path`` is as it was before. A file can replace a file; a folder must be new.
    """
    path = Path(path)
    room = Path(tempfile.mkdtemp(prefix=".mace-", suffix=".tmp", dir=path.parent))
    try:
        unfinished = room / "unfinished"
        yield unfinished
        for file in [unfinished, *unfinished.rglob("*")]:
            if file.is_file():
                _to_disk(file)
        os.replace(unfinished, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _to_disk(file: Path) -> None:
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
