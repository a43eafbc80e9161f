"""Places of files: models/mace and output/mace, and names that stay inside them."""

import os

import folder_paths

from ...mace_core.files.atomic import written_whole

FOLDER = "mace"
MODELS = f"models/{FOLDER}"
EXTENSION = ".safetensors"
SEGMENTERS, JUDGES = "segmenters", "judges"
RESERVED = (SEGMENTERS, JUDGES, "concepts", "drawn", "cache")  # folders of models/mace without erasures


def erasure_names() -> list[str]:
    return [
        name
        for name in folder_paths.get_filename_list(FOLDER)
        if name.lower().endswith(EXTENSION) and _first_folder(name) not in RESERVED
    ]


def segmenters_folders() -> list[str]:
    """Where models that make masks are looked for; they need not exist."""
    return [os.path.join(folder, SEGMENTERS) for folder in folder_paths.get_folder_paths(FOLDER)]


def erasure_path(name: str) -> str:
    """The file behind a name of the list. Names come from outside: whatever leaves the folders is refused."""
    _refuse_escape(name)
    if not name.lower().endswith(EXTENSION):
        raise ValueError(f"'{name}' is not a {EXTENSION} file: choose one written by Save Erasure.")
    for folder in folder_paths.get_folder_paths(FOLDER):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and _inside(path, folder):
            return path
    raise ValueError(
        f"The erasure file '{name}' is not in models/{FOLDER}: put it there or choose another one."
    )


def new_erasure_path(name: str) -> str:
    """A free path name_00001.safetensors in models/mace, numbered as images are: nothing is overwritten."""
    return free_path(check_new_name(name), EXTENSION)


def check_new_name(name: str) -> str:
    """The path of a new file without number and extension, inside models/mace."""
    base = base_inside(name, folder_paths.get_folder_paths(FOLDER)[0], MODELS)
    if _first_folder(name) in RESERVED:
        raise ValueError(
            f"'{name}' is in the folder of the models that make masks, or of the judges, where "
            "Load Erasure does not look: give a plain name such as 'no_ships'."
        )
    return base


def base_inside(name: str, folder: str, place: str) -> str:
    """The path in `folder` (to the user: `place`) of a new name, without number and extension."""
    stem = name[: -len(EXTENSION)] if name.lower().endswith(EXTENSION) else name
    _refuse_escape(stem, place)
    base = os.path.join(folder, stem)
    if not os.path.basename(stem).strip(" .") or not _inside(base, folder):
        raise ValueError(f"'{name}' is not a file name inside {place}: give a plain name such as 'no_ships'.")
    return base


def free_path(base: str, ending: str) -> str:
    """base_00001 with `ending`, or the first number that is free; its folder exists afterwards."""
    os.makedirs(os.path.dirname(base), exist_ok=True)
    number = 1
    while os.path.exists(path := f"{base}_{number:05}{ending}"):
        number += 1
    return path


def relative_to_folder(path: str) -> str:
    return os.path.relpath(path, folder_paths.get_folder_paths(FOLDER)[0])


def _refuse_escape(name: str, place: str = MODELS) -> None:
    parts = name.replace("\\", "/").split("/")
    if not name.strip() or os.path.isabs(name) or ":" in name or ".." in parts or "" in parts or "\0" in name:
        raise ValueError(
            f"'{name}' is not a file name inside {place}: '..' and absolute paths "
            "are refused, give a plain name such as 'no_ships'."
        )


def _first_folder(name: str) -> str:
    return name.replace("\\", "/").partition("/")[0]


def _inside(path: str, folder: str) -> bool:
    """By name only: links that the user put into the folder are the user's own business."""
    folder = os.path.abspath(folder)
    return os.path.commonpath([os.path.abspath(path), folder]) == folder


def write_result(name: str, extension: str, text: str) -> str:
    """A new numbered file output/mace/NAME_00001.json, whole or not at all; returns its name in output."""
    path = free_path(os.path.join(folder_paths.get_output_directory(), FOLDER, name), extension)
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return os.path.relpath(path, folder_paths.get_output_directory())


def check_export_name(name: str) -> str:
    """The path of a new export without number and extension, inside output/mace."""
    return base_inside(name, os.path.join(folder_paths.get_output_directory(), FOLDER), f"output/{FOLDER}")


def new_export_path(name: str, is_folder: bool) -> str:
    return free_path(check_export_name(name), "" if is_folder else EXTENSION)


def relative_to_output(path: str) -> str:
    return os.path.relpath(path, os.path.dirname(folder_paths.get_output_directory()))
