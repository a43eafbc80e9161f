"""Progress with the time that is left, and the points where a cancelled run stops."""

import logging
import time

import comfy.model_management
import comfy.utils
from comfy_execution.graph_utils import ExecutionBlocker
from comfy_execution.utils import get_executing_context

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 1.0


def check_interrupted() -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()


def labelled(concepts) -> list[tuple]:
    """Each concept with what the progress calls it: its name, and which of how many it is."""
    count = len(concepts)
    return [
        (concept, concept.target if count == 1 else f"{concept.target} ({number} of {count})")
        for number, concept in enumerate(concepts, 1)
    ]


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


def send_text(text: str) -> None:
    context = get_executing_context()
    if context is None:
        return
    from server import PromptServer  # here, because the module exists only where the host runs as a server

    server = getattr(PromptServer, "instance", None)
    if hasattr(server, "send_progress_text"):
        server.send_progress_text(text, context.node_id)


def blocked(why: str) -> ExecutionBlocker:
    """In place of an output: a node connected to it is not run, and `why` is said."""
    return ExecutionBlocker(why)
