"""Where files are: models/mace and output/mace. Names from a graph stay inside (mace_core/files/names.py)."""

import os

import folder_paths

from ...mace_core.files.atomic import written_whole
from ...mace_core.files.names import new_parts_of, parts_of
from ...mace_core.files.shown import shown

FOLDER = "mace"
MODELS, OUTPUT = f"models/{FOLDER}", f"output/{FOLDER}"
EXTENSION = ".safetensors"
SEGMENTERS, JUDGES = "segmenters", "judges"
RESERVED = (SEGMENTERS, JUDGES, "concepts", "drawn", "cache")  # folders of models/mace without erasures


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


def new_erasure_path(name: str) -> str:
    """A new numbered file in models/mace, such as name_00001.safetensors; nothing is overwritten."""
    return _free_path(check_new_name(name), EXTENSION)


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


def new_export_path(name: str, is_folder: bool) -> str:
    """A new numbered file or folder in output/mace; nothing is overwritten."""
    return _free_path(check_export_name(name), "" if is_folder else EXTENSION)


def write_result(name: str, extension: str, text: str) -> str:
    """Write a new numbered file such as output/mace/NAME_00001.json, completely or not at all.

    Returns its path inside the output folder.
    """
    output = folder_paths.get_output_directory()
    path = _free_path(os.path.join(output, FOLDER, name), extension)
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return os.path.relpath(path, output)


def relative_to_folder(path: str) -> str:
    """A path inside models/mace, as users know it."""
    return os.path.relpath(path, folder_paths.get_folder_paths(FOLDER)[0])


def relative_to_output(path: str) -> str:
    """A path inside the output folder, as users know it."""
    return os.path.relpath(path, os.path.dirname(folder_paths.get_output_directory()))


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


def _free_path(base: str, extension: str) -> str:
    """base_00001 with the extension, or the first number that is free; its folder exists afterwards."""
    os.makedirs(os.path.dirname(base), exist_ok=True)
    number = 1
    while os.path.exists(path := f"{base}_{number:05}{extension}"):
        number += 1
    return path


def _is_reserved(name: str) -> bool:
    first = next((part for part in name.replace("\\", "/").split("/") if part not in ("", ".")), "")
    return first.casefold() in RESERVED
