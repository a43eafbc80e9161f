"""Where files are: models/mace and output/mace. Names from a graph stay inside (mace_core/files/names.py)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import folder_paths

from ...mace_core.files.atomic import written_numbered
from ...mace_core.files.faults import CannotWrite
from ...mace_core.files.names import new_parts_of, parts_of
from ...mace_core.files.shown import shown

FOLDER = "mace"
MODELS, OUTPUT = f"models/{FOLDER}", f"output/{FOLDER}"
EXTENSION = ".safetensors"
SEGMENTERS, JUDGES = "segmenters", "judges"
RESERVED = (SEGMENTERS, JUDGES, "concepts", "drawn", "cache")  # folders of models/mace without erasures
Result = TypeVar("Result")


def erasure_names() -> list[str]:
    """The erasures in models/mace, as Load Erasure lists them."""
    return [
        name
        for name in folder_paths.get_filename_list(FOLDER)
        if name.lower().endswith(EXTENSION) and not _is_reserved(name)
    ]


def segmenters_folders() -> list[str]:
    """The folders in which segmenters and detectors are looked for; they need not exist."""
    return [os.path.join(folder, SEGMENTERS) for folder in folder_paths.get_folder_paths(FOLDER)]


def erasure_path(name: str) -> str:
    """The file behind a name of ``erasure_names``. Raises ValueError if there is none."""
    if not isinstance(name, str):  # older hosts pass any value of a prompt on
        raise ValueError(f"The name is {shown(name)}, but must be a file: choose one from the list.")
    parts = parts_of(name, MODELS)
    if not name.lower().endswith(EXTENSION):
        raise ValueError(f"{shown(name)} is not a {EXTENSION} file: choose one written by Save Erasure.")
    for folder in folder_paths.get_folder_paths(FOLDER):
        path = os.path.join(folder, *parts)
        if os.path.isfile(path):
            return path
    raise ValueError(
        f"The erasure file {shown(name)} is not in {MODELS}: put it there or choose another one."
    )


def write_erasure(name: str, write: Callable[[Path], object]) -> str:
    """A new numbered file in models/mace, such as name_00001.safetensors; nothing is overwritten.

    ``write`` writes it to the path it is given. Returns its name, as in ``erasure_names``.
    """
    path, _ = written_numbered(check_new_name(name), EXTENSION, write)
    return os.path.relpath(path, folder_paths.get_folder_paths(FOLDER)[0])


def check_new_name(name: str) -> str:
    """The path in models/mace of a new erasure, without number and extension. Raises ValueError for a name
    that cannot be used."""
    if _is_reserved(name):
        raise ValueError(
            f"{shown(name)} is in a folder of {MODELS} that holds no erasures ({', '.join(RESERVED)}), where "
            "Load Erasure does not look: use another name, such as 'no_ships'."
        )
    return _base(name, folder_paths.get_folder_paths(FOLDER)[0], MODELS)


def check_export_name(name: str) -> str:
    """The path in output/mace of a new export, without number and extension. Raises ValueError for a name
    that cannot be used."""
    return _base(name, os.path.join(folder_paths.get_output_directory(), FOLDER), OUTPUT)


def write_export(name: str, is_folder: bool, write: Callable[[Path], Result]) -> tuple[str, Result]:
    """A new numbered file or folder in output/mace, as users know it, and what ``write`` returned, which
    writes it to the path it is given; nothing is overwritten."""
    path, result = written_numbered(check_export_name(name), "" if is_folder else EXTENSION, write)
    return os.path.relpath(path, os.path.dirname(folder_paths.get_output_directory())), result


def write_result(name: str, extension: str, text: str, what: str, report: Callable[[str], None]) -> str:
    """Write a new numbered file such as output/mace/NAME_00001.json, completely or not at all.

    Returns a sentence with its path, in which ``what`` is what the file has more of than the node shows. If
    it cannot be written, the sentence says why, and ``report`` gets it too: the results are not lost.
    """
    output = folder_paths.get_output_directory()
    base = os.path.join(output, FOLDER, name)
    try:
        path, _ = written_numbered(base, extension, lambda path: path.write_text(text, encoding="utf-8"))
    except CannotWrite as error:
        sentence = (
            f"The folder {OUTPUT} cannot be written to ({error.reason}), so the results are not saved there: "
            f"{error.cure}."
        )
        report(sentence)
        return sentence
    return f"{what}: output/{os.path.relpath(path, output)}."


def _base(name: str, folder: str, place: str) -> str:
    stem = name[: -len(EXTENSION)] if name.lower().endswith(EXTENSION) else name
    *above, last = new_parts_of(stem, place)
    for part in above:
        folder = os.path.join(folder, part)
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise ValueError(
                f"{shown(name)} is inside {shown(part)}, which is a file in {place}: use another name."
            )
    return os.path.join(folder, last)


def _is_reserved(name: str) -> bool:
    first = next((part for part in name.replace("\\", "/").split("/") if part not in ("", ".")), "")
    return first.casefold() in RESERVED
