"""Progress with the time that is left, and files of results in the host's output folder."""

import os
import time

import folder_paths
from comfy_execution.graph_utils import ExecutionBlocker

from ...mace_core.files.atomic import written_whole
from .folders import FOLDER, Progress, check_interrupted, free_path, send_text

SECONDS_BETWEEN = 1.0


class TimedProgress(Progress):
    """As Progress, with how long it will still take behind the name of what is being done."""

    def __init__(self, stage: str, total: int):
        super().__init__(stage, total)
        self._total, self._done, self._started, self._sent = total, 0, time.monotonic(), 0.0

    def step(self, what: str = "", amount: int = 1, detail: str = "") -> None:
        """`detail` changes with every step, so it is shown but not logged."""
        check_interrupted()
        self.say(what)
        self._bar.update(amount)
        self._done += amount
        now = time.monotonic()
        if self._done >= self._total:
            send_text(f"{self.stage}: done in {now - self._started:.0f} s")
        elif now - self._sent >= SECONDS_BETWEEN:
            self._sent = now
            shown = [what, detail, self.time_left(now)]
            send_text(f"{self.stage}: {', '.join(each for each in shown if each)}")

    def time_left(self, now: float) -> str:
        seconds = (now - self._started) / self._done * (self._total - self._done)
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def write_result(name: str, extension: str, text: str) -> str:
    """A new numbered file output/mace/NAME_00001.json, whole or not at all; returns its name in output."""
    path = free_path(os.path.join(folder_paths.get_output_directory(), FOLDER, name), extension)
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return os.path.relpath(path, folder_paths.get_output_directory())


def blocked(why: str) -> ExecutionBlocker:
    """In place of an output: a node connected to it is not run, and `why` is said."""
    return ExecutionBlocker(why)
