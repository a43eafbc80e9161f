"""Text files of the user's: lists of concepts and captions, in the host's input folder or in models/mace."""

import os
from collections.abc import Iterator

import folder_paths

from .folders import FOLDER, RESERVED

NONE = "none"


def text_files(endings: tuple[str, ...]) -> list[str]:
    """What a combo offers: 'none', then 'input/NAME' and 'models/mace/NAME'."""
    names = {f"{place}/{name}" for place, folder in _places() for name in _listed(folder, endings)}
    return [NONE, *sorted(names)]


def text_file(name: str, endings: tuple[str, ...]) -> str:
    """The path behind a name of that list. Names come from outside: what leaves the folders is refused."""
    place, name_in_place = _split(name)
    parts = name_in_place.replace("\\", "/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or ":" in name or "\0" in name:
        raise ValueError(
            f"'{name}' is not a file name inside input or models/{FOLDER}: '..' and absolute "
            "paths are refused, choose a file of the list."
        )
    if not name.lower().endswith(endings):
        raise ValueError(f"'{name}' ends in none of {', '.join(endings)}: choose a file of the list.")
    for known, folder in _places():
        path = os.path.join(folder, *parts)
        if known == place and os.path.isfile(path):
            return path
    raise ValueError(
        f"There is no file '{name}': put it into the host's input folder or into models/{FOLDER} and press R."
    )


def read_file(name: str, endings: tuple[str, ...]) -> bytes:
    with open(text_file(name, endings), "rb") as file:
        return file.read()


def text_file_version(name: str, endings: tuple[str, ...]) -> str:
    """Another text whenever the file has changed, so that the host runs the node again."""
    if name == NONE:
        return NONE
    stat = os.stat(text_file(name, endings))
    return f"{name} {stat.st_mtime_ns} {stat.st_size}"


def _places() -> Iterator[tuple[str, str]]:
    yield "input", folder_paths.get_input_directory()
    for folder in folder_paths.get_folder_paths(FOLDER):
        yield f"models/{FOLDER}", folder


def _split(name: str) -> tuple[str, str]:
    for place, _ in _places():
        if name.startswith(f"{place}/"):
            return place, name[len(place) + 1 :]
    raise ValueError(f"'{name}' is not a file of input/ or models/{FOLDER}/: choose a file of the list.")


def _listed(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [
            each for each in folders if not each.startswith(".") and (root != folder or each not in RESERVED)
        ]
        inside = os.path.relpath(root, folder)
        for file in files:
            if file.lower().endswith(endings):
                yield os.path.normpath(os.path.join(inside, file)).replace(os.sep, "/")
