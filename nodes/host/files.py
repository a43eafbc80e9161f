"""The user's text files: lists of concepts and captions, in ComfyUI's input folder or in models/mace."""

import os
from collections.abc import Iterator

import folder_paths

from ...mace_core.files.bounded import read_bounded
from ...mace_core.files.names import parts_of
from ...mace_core.files.shown import shown
from .folders import FOLDER, MODELS, RESERVED

NONE = "none"
INPUT = "input"


def text_files(endings: tuple[str, ...]) -> list[str]:
    """The options of a combo: 'none', then 'input/NAME' and 'models/mace/NAME'."""
    names = {f"{place}/{name}" for place, folder in _places() for name in _listed(folder, endings)}
    return [NONE, *sorted(names)]


def text_file(name: str, endings: tuple[str, ...]) -> str:
    """The path behind a name of ``text_files``. Raises ValueError if there is none."""
    if not isinstance(name, str):  # older hosts pass any value of a prompt on
        raise ValueError(f"The file is {shown(name)}, but must be a name: choose a file from the list.")
    place = next((place for place in (INPUT, MODELS) if name.startswith(f"{place}/")), None)
    if place is None:
        raise ValueError(
            f"{shown(name)} is not a file in {INPUT}/ or {MODELS}/: choose a file from the list."
        )
    parts = parts_of(name[len(place) + 1 :], place)
    if not name.lower().endswith(endings):
        raise ValueError(
            f"{shown(name)} has none of the extensions {', '.join(endings)}: choose a file from the list."
        )
    for known, folder in _places():
        path = os.path.join(folder, *parts)
        if known == place and os.path.isfile(path):
            return path
    raise ValueError(f"There is no file {shown(name)}: put it into {INPUT} or {MODELS} and press R.")


def read_file(name: str, endings: tuple[str, ...], most: int, what: str) -> bytes:
    """The content of a file of ``text_files``, of at most ``most`` bytes; ``what`` is it, as in "a list".

    Raises ValueError if there is none, or if it is larger.
    """
    return read_bounded(text_file(name, endings), most, what)


def text_file_version(name: str, endings: tuple[str, ...]) -> str:
    """A text that changes with the file, so that the host runs the node again.

    Never raises: the host cannot show an error from `fingerprint_inputs`; the node itself reports it.
    """
    try:
        if name == NONE:
            return NONE
        stat = os.stat(text_file(name, endings))
        return f"{name} {stat.st_mtime_ns} {stat.st_size}"
    except (ValueError, OSError):
        return "unreadable"


def _places() -> Iterator[tuple[str, str]]:
    yield INPUT, folder_paths.get_input_directory()
    for folder in folder_paths.get_folder_paths(FOLDER):
        yield MODELS, folder


def _listed(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [
            each for each in folders if not each.startswith(".") and (root != folder or each not in RESERVED)
        ]
        inside = os.path.relpath(root, folder)
        for file in files:
            if file.lower().endswith(endings):
                yield os.path.normpath(os.path.join(inside, file)).replace(os.sep, "/")
