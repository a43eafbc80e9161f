"""Registers models/mace with the host.

The pack reads from every folder in the host's list and writes to the first one. That is models/mace in the
host's own models folder, unless extra_model_paths.yaml marks another one as default.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import folder_paths
from comfy.cli_args import args

from .folders import EXTENSION, FOLDER


def register_model_folder() -> None:
    """Add models/mace to the host's list: first, unless extra_model_paths.yaml has a default entry for it."""
    own = os.path.join(folder_paths.models_dir, FOLDER)
    known, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    folder_paths.add_model_folder_path(FOLDER, own, is_default=not (known and known[0] in _defaults()))
    paths, extensions = folder_paths.folder_names_and_paths[FOLDER]
    # an entry from extra_model_paths.yaml has no extensions, which would list every file
    folder_paths.folder_names_and_paths[FOLDER] = (paths, set(extensions) | {EXTENSION})


def _defaults() -> set[str]:
    """The folders for mace that are marked default.

    The files are read again because the host does not record which entries are default.
    """
    return {path for config in _configurations() for path in _marked_default(config)}


def _configurations() -> list[Path]:
    beside_host = Path(folder_paths.__file__).resolve().with_name("extra_model_paths.yaml")
    named = chain.from_iterable(args.extra_model_paths_config or ())
    return [path for path in (beside_host, *map(Path, named)) if path.is_file()]


def _marked_default(config: Path) -> Iterator[str]:
    import yaml  # here, because few have such a file

    for section in (yaml.safe_load(config.read_text(encoding="utf-8")) or {}).values():
        if not section or not section.get("is_default"):
            continue
        base = os.path.expandvars(os.path.expanduser(section.get("base_path") or ""))
        for path in section.get(FOLDER, "").split("\n"):
            if path:
                yield os.path.normpath(os.path.join(config.absolute().parent, base, path))
