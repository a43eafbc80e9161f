"""Progress bars and text with the remaining time, and the points where a cancelled run stops."""

import logging
import time
from collections.abc import Callable

import comfy.model_management
import comfy.utils
from comfy_execution.graph_utils import ExecutionBlocker
from comfy_execution.utils import get_executing_context

from ...mace_core.files.shown import one_line

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 1.0  # at least, between two updates of the text
_listener: Callable[[str], None] | None = None
_listener_to_warnings: Callable[[str], None] | None = None


def check_interrupted() -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()


def labelled(concepts) -> list[tuple]:
    """Each concept with its label for the progress: 'ship', or 'ship (2 of 5)' if there are several."""
    count = len(concepts)
    return [
        (concept, one_line(concept.target) + (f" ({number} of {count})" if count > 1 else ""))
        for number, concept in enumerate(concepts, 1)
    ]


class Progress:
    """The progress bar on the node and the text below it. `step` raises if the run was cancelled."""

    def __init__(self, stage: str, total: int):
        self.stage = stage
        self._bar = comfy.utils.ProgressBar(max(total, 1))
        self._said = None
        self._warned: set[str] = set()

    def step(self, what: str = "", amount: int = 1) -> None:
        self._stop_if_cancelled()
        self.say(what)
        self._bar.update(amount)

    def say(self, what: str) -> None:
        text = f"{self.stage}: {what}" if what else self.stage
        if text != self._said:
            self._said = text
            log.info(text)
            send_text(text)

    def cached(self, found: int, total: int) -> None:
        """Say how many of the concepts need no work, if any; mace_erase/progress.py reads this sentence."""
        if found:
            self.say(f"{found} of {total} concepts are in the cache")

    def warn(self, what: str) -> None:
        """Say it once, however many concepts it is true of."""
        if what in self._warned:
            return
        self._warned.add(what)
        log.warning("%s: %s", self.stage, what)
        (_listener_to_warnings or send_text)(f"{self.stage}: {what}")

    def _stop_if_cancelled(self) -> None:
        """Raises if the run was cancelled: the text stays on the node, and must not promise an end."""
        try:
            check_interrupted()
        except comfy.model_management.InterruptProcessingException:
            send_text(f"{self.stage}: cancelled")
            raise


class TimedProgress(Progress):
    """A Progress whose text ends with the estimated remaining time."""

    def __init__(self, stage: str, total: int):
        super().__init__(stage, total)
        self._total, self._done, self._started, self._sent = total, 0, time.monotonic(), 0.0
        self._first: tuple[int, float] | None = None  # how much was done after the first step, and when

    def step(self, what: str = "", amount: int = 1, detail: str = "") -> None:
        """`detail` changes at every step, so it is shown but not logged."""
        self._stop_if_cancelled()
        self.say(what)
        self._bar.update(amount)
        self._done += amount
        now = time.monotonic()
        self._first = self._first or (self._done, now)
        if self._done >= self._total:
            send_text(f"{self.stage}: done in {now - self._started:.0f} s")
        elif now - self._sent >= SECONDS_BETWEEN:
            self._sent = now
            shown = [what, detail, self.time_left(now)]
            send_text(f"{self.stage}: {', '.join(each for each in shown if each)}")

    def skip(self, amount: int) -> None:
        """Work that is not needed after all: it takes no time, so the estimate must not count it."""
        self._bar.update(amount)
        self._total -= amount

    def time_left(self, now: float) -> str:
        """Empty after the first step: it also loads models, so it says little about the others."""
        done, since = self._first or (0, now)
        if self._done == done:
            return ""
        seconds = (now - since) / (self._done - done) * (self._total - self._done)
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def listen(listener: Callable[[str], None], to_warnings: Callable[[str], None] | None = None) -> None:
    """Send all texts to `listener` from now on, for runs without a server; warnings to `to_warnings`, if it
    is given."""
    global _listener, _listener_to_warnings
    _listener, _listener_to_warnings = listener, to_warnings


def send_text(text: str) -> None:
    if _listener is not None:
        _listener(text)
        return
    context = get_executing_context()
    if context is None:
        return
    from server import PromptServer  # here, because the module exists only where the host runs as a server

    server = getattr(PromptServer, "instance", None)
    if hasattr(server, "send_progress_text"):
        server.send_progress_text(text, context.node_id)


def blocked(why: str) -> ExecutionBlocker:
    """Returned instead of an output: the host does not run nodes connected to it and shows `why`."""
    return ExecutionBlocker(why)
