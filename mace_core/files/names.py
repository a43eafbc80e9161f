"""Names of files that come from outside (a graph, a workflow): they must stay inside their folder.

The one guard for names and paths. It looks at the name alone; links inside a folder are the user's own.
"""

from __future__ import annotations

import re

from .shown import shown

LONGEST = 150  # bytes of a name with its folders: numbers and extensions are added, and systems allow 255
# Devices, whatever the extension; the last three digits are written above the line.
_WINDOWS = r"(?i:(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d\u00b9\u00b2\u00b3])(\..*)?)"
_SPECIAL = set('<>:"|?*\\')  # not allowed in names on Windows; a backslash separates folders there


def parts_of(name: str, place: str) -> list[str]:
    """The folders and the file name in a relative path such as ``people/singers``.

    place: the folder, as users know it, for the error. Raises ValueError for an empty or absolute name and
    for one that leaves the folder.
    """
    parts = name.replace("\\", "/").split("/")
    if {"", ".", ".."}.intersection(parts) or not name.strip() or ":" in name or "\0" in name:
        raise ValueError(
            f"{shown(name)} is not the name of a file inside {place}: use a name without '..', ':' or a "
            "leading '/'."
        )
    return parts


def new_parts_of(name: str, place: str) -> list[str]:
    """``parts_of`` a file that is about to be written: its name must be valid on every system.

    Raises ValueError also for control characters, characters and names that Windows does not allow, names
    that end in a space or a dot, and names of more than LONGEST bytes in UTF-8.
    """
    if _SPECIAL.intersection(name) or not name.isprintable():
        raise ValueError(
            f"{shown(name)} contains a character that file names cannot have on every system: use letters, "
            "digits, spaces, '-' and '_', such as 'no_ships'."
        )
    parts = parts_of(name, place)
    for part in parts:
        if re.fullmatch(_WINDOWS, part) or part != part.strip() or part.endswith(".") or part.startswith("."):
            raise ValueError(
                f"{shown(name)} cannot be the name of a file on every system: use a plain name such as "
                "'no_ships'."
            )
    if (length := len(name.encode())) > LONGEST:
        raise ValueError(f"The name {shown(name)} takes {length} bytes and can take {LONGEST}: shorten it.")
    return parts
