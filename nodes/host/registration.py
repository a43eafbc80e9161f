"""models/mace among the host's folders: what is written goes there, or where the user says; all is read.

The first folder of the host's list is the one written to.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import folder_paths
from comfy.cli_args import args

from .folders import EXTENSION, FOLDER


def register_model_folder() -> None:
    """Adds models/mace: first, unless extra_model_paths.yaml has an entry for it that is marked default."""
    own = os.path.join(folder_paths.models_dir, FOLDER)
    known, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    folder_paths.add_model_folder_path(FOLDER, own, is_default=not (known and known[0] in _defaults()))
    paths, extensions = folder_paths.folder_names_and_paths[FOLDER]
    # an entry from extra_model_paths.yaml has an empty set of extensions, which would list every file
    folder_paths.folder_names_and_paths[FOLDER] = (paths, set(extensions) | {EXTENSION})


def _defaults() -> set[str]:
    """The entries for mace that are marked default. The host read these files before and kept no mark."""
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
