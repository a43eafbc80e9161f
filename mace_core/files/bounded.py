"""Files of users, whose size is looked at before anything is read."""

from __future__ import annotations

import stat
from pathlib import Path

from .shown import shown


def read_bounded(path: str | Path, most: int, what: str) -> bytes:
    """The content of a file of at most ``most`` bytes. ``what`` says what it is: "a list of concepts".

    Raises ValueError for a larger file, and for one that cannot be read.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a file")
        size = status.st_size
        if size <= most:
            with path.open("rb") as file:
                data = file.read(most + 1)  # it can grow
            size = max(size, len(data))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no system has such a name"
        raise ValueError(f"{shown(path.name)} cannot be read ({reason}): check the file.") from None
    if size > most:
        raise ValueError(
            f"{shown(path.name)} has {size >> 20} MB and {what} can have {most >> 20}: choose another file "
            "or split it."
        )
    return data
