"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary place to write the file or the folder ``path``, moved there when the block ends well.

    It is in the folder of ``path``, which must exist. A crash or an exception leaves what was at ``path``
    before. A file may replace a file, a folder must be new.
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
