"""`make faults`, or `python -m dev.faults [kill full_disk ...] [--kills 50] [--seed 0]`.

Injects faults into real jobs on real servers, writes docs/results/faults.json and its page, faults.md, and
exits with 1 if a bound does not hold. With faults named, the others keep their rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from dev.faults.lab import Lab, Tally
from dev.faults.report import row, table, write
from dev.faults.table import FAULTS
from dev.host.fetch import REPOSITORY

RESULTS = REPOSITORY / "docs" / "results"
KILLS = 50
AT_ONCE = 2  # faults; most of their time is one server's
INSIDE = "MACE_FAULTS_NAMESPACE"


def main(options: argparse.Namespace, results: Path = RESULTS) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    with tempfile.TemporaryDirectory(prefix="mace-faults-") as folder:
        lab = Lab(Path(folder), options.kills, options.seed)
        told = ", ".join(f"{seconds:.0f} s {method}" for method, seconds in lab.reference.seconds.items())
        print(f"An undisturbed job: {told}", flush=True)
        rows = measured(lab, options.faults, results)
    print(table(rows))
    return 0 if all(each["held"] for each in rows.values()) else 1


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options of a command line; without any fault, all of them."""
    parser = argparse.ArgumentParser(prog="python -m dev.faults", description=__doc__.partition("\n\n")[2])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--kills", type=int, default=KILLS, help="runs that kill -9 ends")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args(arguments)
    options.faults = options.faults or list(FAULTS)
    if unknown := set(options.faults) - FAULTS.keys():
        parser.error(f"there is no fault '{min(unknown)}': use any of {', '.join(FAULTS)}, or none for all.")
    return options


def measured(lab: Lab, names: list[str], results: Path) -> dict[str, dict]:
    """The rows of the faults, written as soon as each is finished."""
    rows = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(measure, lab, name): name for name in names}
        try:
            for done in as_completed(running):
                name = running[done]
                rows[name] = done.result()
                write({name: rows[name]}, results)
                held = "held" if rows[name]["held"] else f"BROKEN: {'; '.join(rows[name]['problems'])}"
                print(f"{name}: {held} ({rows[name]['seconds']} s)", flush=True)
        except BaseException:
            lab.stopping = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def measure(lab: Lab, name: str) -> dict:
    """Inject one fault. A fault that cannot be injected, or that stops the harness, is a broken bound."""
    tally, started = Tally(), time.monotonic()
    try:
        FAULTS[name](lab, tally)
    except Exception as error:
        tally.check("carried out", False, f"{type(error).__name__}: {error}")
    return row(tally, time.monotonic() - started, lab.reference.comfyui)


def in_own_namespace(arguments: list[str]) -> None:
    """Start again where mounts are possible and end with the harness, if this system allows it."""
    unshare = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if INSIDE in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*unshare, sys.executable, "-W", "ignore", "-m", "dev.faults", *arguments])


if __name__ == "__main__":
    options = parsed(sys.argv[1:])
    in_own_namespace(sys.argv[1:])
    sys.exit(main(options))
