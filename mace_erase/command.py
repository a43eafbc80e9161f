"""Runs a command line: options, progress, the result on stdout, exit codes, and a clean stop on Ctrl-C."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType, ModuleType
from typing import Any

from .erase import erase
from .evidence import probe, score
from .files import export, list_erasures
from .host import load_host, use_own_temporary_folder
from .options import parser, split_arguments
from .progress import Line

COMMANDS = {"erase": erase, "score": score, "probe": probe, "export": export, "list": list_erasures}
DONE, FAILED = 0, 1
STOPPED = "Interrupted: start the same command again to go on with what is cached."


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code. Raises SystemExit for --help and wrong usage."""
    options = parser().parse_args(split_arguments(arguments)[0])
    stopped_by: list[int] = []
    try:
        with _stopping(stopped_by):
            answer, code = result_of(arguments), DONE
    except _interruptions():
        answer, code = {"error": STOPPED}, 128 + (stopped_by or [signal.SIGINT])[0]
    except (ValueError, OSError) as error:
        answer, code = {"error": " ".join(str(error).split())}, FAILED
    text = answer.pop("text", "")
    if code:
        print(answer["error"], file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"command": options.command} | answer), flush=True)
    elif text:
        print(text, flush=True)
    return code


def result_of(arguments: Sequence[str]) -> dict[str, Any]:
    """What a command line gives: its JSON object, and `text` for people.

    Raises ValueError or OSError with one sentence for the user.
    """
    own, hosts = split_arguments(arguments)
    options = parser().parse_args(own)
    started, line = time.monotonic(), Line(options.quiet)
    # Whatever the host and its libraries print must not get between the lines of the result.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            line.say("Start ComfyUI")
            host = load_host(hosts)
            use_own_temporary_folder()
            _show_progress(host.module("nodes.host.progress"), line)
            result = COMMANDS[options.command](host, options, line)
        finally:
            line.end()
    seconds = round(time.monotonic() - started, 1)
    line.note(f"Done in {seconds:.0f} s.")
    return result | {"seconds": seconds}


def _show_progress(texts: ModuleType, line: Line) -> None:
    import comfy.utils

    texts.listen(line.say, line.note)
    comfy.utils.set_progress_bar_global_hook(line.advance)


@contextlib.contextmanager
def _stopping(stopped_by: list[int]) -> Iterator[None]:
    """The first signal stops the nodes within a step, the second at once, as the first before ComfyUI is
    there."""

    def stop(number: int, frame: FrameType | None) -> None:
        stopped_by.append(number)
        management = sys.modules.get("comfy.model_management")
        if len(stopped_by) > 1 or not hasattr(management, "interrupt_current_processing"):
            raise KeyboardInterrupt
        management.interrupt_current_processing()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interruptions() -> tuple[type[BaseException], ...]:
    management = sys.modules.get("comfy.model_management")
    own = getattr(management, "InterruptProcessingException", KeyboardInterrupt)
    return KeyboardInterrupt, own
