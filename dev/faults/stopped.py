"""Faults that stop a run: kill -9, and cancel."""

import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from dev.faults.job import METHODS, whole
from dev.faults.lab import INTACT, Lab, Tally
from dev.faults.server import Server
from dev.host.client import Interrupted

CANCELS = 12
SECONDS_TO_STOP = 5
AIMED = 3  # one of so many kills waits until a file is being written
HOURS = 2 * 3600


def kill(lab: Lab, tally: Tally) -> None:
    """kill -9 of the server at random moments of a run, spread over all of it; every third kill waits for the
    next moment at which a file is being written. Another server in the same folder repeats the job. After all
    kills, what was being written is made two hours older, and one more run must remove it."""
    during, cached, aimed = Counter(), 0, 0
    with lab.server("kill") as server:
        for number, (method, seconds) in enumerate(lab.moments("kill", lab.kills)):
            server.forget()
            since = server.position()
            server.client.submit(whole(method))
            time.sleep(seconds)
            if number % AIMED == AIMED - 1:
                aimed += _stopped_while_writing(server, lab.reference.seconds[method])
            server.host.kill()
            during[server.stage(since)] += 1
            cached += any(path.parent.name != "cache" for path in server.cached())
            tally.check(INTACT, not (damaged := server.damaged()), ", ".join(damaged))
            server.host.start()
            lab.recovered(server, tally, method)
        left = server.unfinished()
        _are_removed(left, server, tally)
    told = ", ".join(f"{stage} {count}" for stage, count in during.most_common())
    tally.note = (
        f"The last stage in the log at each kill: {told}. {cached} kills came after images or LoRAs were in "
        f"the cache, at least {aimed} while a file was being written. {len(left)} unfinished files were left."
    )


def _stopped_while_writing(server: Server, seconds: float) -> bool:
    """Stop the process at the next moment at which it has an unfinished file; False if there was none."""
    limit, before = time.monotonic() + seconds, set(server.unfinished())
    while time.monotonic() < limit:
        if new := set(server.unfinished()) - before:
            server.host.process.send_signal(signal.SIGSTOP)
            if new.intersection(server.unfinished()):
                return True
            server.host.process.send_signal(signal.SIGCONT)
    return False


def _are_removed(left: list[Path], server: Server, tally: Tally) -> None:
    """Two hours later, a run in which every folder gets a new file."""
    for room in left:
        server.make_older(room, HOURS)
    server.forget()
    server.do_job(METHODS[0])
    for room in left:
        tally.check("unfinished files removed", not room.exists(), room.relative_to(server.mace.parent))


def cancel(lab: Lab, tally: Tally) -> None:
    """A click on Cancel (POST /interrupt) at random moments of a run, spread over all of it."""
    with lab.server("cancel") as server:
        for method, seconds in lab.moments("cancel", CANCELS):
            server.forget()
            client = server.client
            prompt = client.submit(whole(method))
            time.sleep(seconds)
            started = time.monotonic()
            client.interrupt()
            with suppress(Interrupted):
                client.wait(prompt)
            took = time.monotonic() - started
            tally.check(f"stops within {SECONDS_TO_STOP} s", took < SECONDS_TO_STOP, f"{took:.1f} s")
            tally.check(INTACT, not (damaged := server.damaged()), ", ".join(damaged))
            lab.recovered(server, tally, method)
