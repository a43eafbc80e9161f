"""Progress on stderr: one line that is rewritten on a terminal, otherwise a line every ten seconds."""

import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

SECONDS_BETWEEN_LINES = 10  # if stderr is a file and not a terminal
_CACHED = r"(.+): (\d+) of \d+ concepts are in the cache"


@dataclass
class Line:
    """What the nodes are doing. `cached`: stage -> how many concepts of it came from the cache."""

    quiet: bool = False
    stream: TextIO | None = None
    cached: dict[str, int] = field(default_factory=dict)
    _text: str = ""
    _share: float | None = None
    _printed: float = float("-inf")
    _width: int = 0

    def say(self, text: str) -> None:
        """A text of a node, such as 'Draw concepts: ship (2 of 5), about 20 s left'."""
        if found := re.fullmatch(_CACHED, text):
            self.cached[found[1]] = int(found[2])
            self.note(text)
            return
        if text.partition(":")[0] != self._text.partition(":")[0]:
            self._share = None
        self._text = text.partition("\n")[0]
        self._show()

    def advance(self, value: float, total: float, *_, **__) -> None:
        """The host's hook for progress bars."""
        self._share = value / total if total else None
        self._show()

    def note(self, text: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self._write(text, "\n")

    def end(self) -> None:
        """Clear the line that is rewritten, if there is one."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=self._out, flush=True)
            self._width = 0

    def _show(self) -> None:
        on_screen, now = self._out.isatty(), time.monotonic()
        if self.quiet or not self._text:
            return
        if not on_screen and now - self._printed < SECONDS_BETWEEN_LINES:
            return
        self._printed = now
        share = "    " if self._share is None else f"{self._share:4.0%}"
        self._write(f"{share}  {self._text}", "" if on_screen else "\n")

    def _write(self, text: str, end: str) -> None:
        if self._out.isatty():
            text = text if end else text[: shutil.get_terminal_size().columns - 1]
            padded = f"\r{text:<{self._width}}"
            self._width = 0 if end else len(text)
            text = padded
        print(text, end=end, file=self._out, flush=True)

    @property
    def _out(self) -> TextIO:
        return self.stream or sys.stderr
