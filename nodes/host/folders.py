"""The host's services every node needs: the models/mace folder, progress, cancelling.

Together with the other `_host_*.py` files this is the only place that touches comfy.* beyond schema types.
"""

import logging
import os

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_execution.utils import get_executing_context

log = logging.getLogger(__name__)

FOLDER = "mace"
MODELS = f"models/{FOLDER}"
EXTENSION = ".safetensors"
SEGMENTERS, JUDGES = "segmenters", "judges"
RESERVED = (SEGMENTERS, JUDGES, "concepts", "drawn", "cache")  # folders of models/mace without erasures


def erasure_names() -> list[str]:
    return [name for name in folder_paths.get_filename_list(FOLDER)
            if name.lower().endswith(EXTENSION) and _first_folder(name) not in RESERVED]


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
    raise ValueError(f"The erasure file '{name}' is not in models/{FOLDER}: "
                     "put it there or choose another one.")


def new_erasure_path(name: str) -> str:
    """A free path name_00001.safetensors in models/mace, numbered as images are: nothing is overwritten."""
    return free_path(check_new_name(name), EXTENSION)


def check_new_name(name: str) -> str:
    """The path of a new file without number and extension, inside models/mace."""
    base = base_inside(name, folder_paths.get_folder_paths(FOLDER)[0], MODELS)
    if _first_folder(name) in RESERVED:
        raise ValueError(f"'{name}' is in the folder of the models that make masks, or of the judges, where "
                         "Load Erasure does not look: give a plain name such as 'no_ships'.")
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
        raise ValueError(f"'{name}' is not a file name inside {place}: '..' and absolute paths "
                         "are refused, give a plain name such as 'no_ships'.")


def _first_folder(name: str) -> str:
    return name.replace("\\", "/").partition("/")[0]


def _inside(path: str, folder: str) -> bool:
    """By name only: links that the user put into the folder are the user's own business."""
    folder = os.path.abspath(folder)
    return os.path.commonpath([os.path.abspath(path), folder]) == folder


def check_interrupted() -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()


def labelled(concepts) -> list[tuple]:
    """Each concept with what the progress calls it: its name, and which of how many it is."""
    count = len(concepts)
    return [(concept, concept.target if count == 1 else f"{concept.target} ({number} of {count})")
            for number, concept in enumerate(concepts, 1)]


class Progress:
    """The bar on the node, a line of text under it, and the point where a cancelled run stops."""

    def __init__(self, stage: str, total: int):
        self.stage = stage
        self._bar = comfy.utils.ProgressBar(max(total, 1))
        self._said = None

    def step(self, what: str = "", amount: int = 1) -> None:
        check_interrupted()
        self.say(what)
        self._bar.update(amount)

    def say(self, what: str) -> None:
        text = f"{self.stage}: {what}" if what else self.stage
        if text != self._said:
            self._said = text
            log.info(text)
            send_text(text)

    def warn(self, what: str) -> None:
        log.warning("%s: %s", self.stage, what)
        send_text(f"{self.stage}: {what}")


def send_text(text: str) -> None:
    context = get_executing_context()
    if context is None:
        return
    from server import PromptServer  # here, because the module exists only where the host runs as a server

    server = getattr(PromptServer, "instance", None)
    if hasattr(server, "send_progress_text"):
        server.send_progress_text(text, context.node_id)
