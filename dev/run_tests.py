"""`make test`: runs each room's tests in a separate process, two at a time, and prints a one-line summary.

The rooms must not share a process: loading the host adds a module called `nodes` and patches torch, which the
tests of the pure mathematics must never see.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parents[1]
REPORTS = REPOSITORY / ".cache" / "test-reports"
APART = ("host", "e2e", "ui", "dynamic")  # each of these starts or loads a host
ON_A_CARD = "cuda"  # `make test-cuda`
OUTCOMES = ("passed", "failed", "skipped")
NOTHING_COLLECTED = 5
AT_ONCE = min(2, os.cpu_count() or 1)  # each room computes with one thread


def rooms() -> dict[str, list[str]]:
    """Name of the room -> arguments for pytest."""
    pure = ["tests", *(f"--ignore=tests/{name}" for name in (*APART, ON_A_CARD))]
    present = [name for name in APART if (REPOSITORY / "tests" / name).is_dir()]
    return {name: [f"tests/{name}"] for name in present} | {"core": pure}


def run_all(chosen: Mapping[str, list[str]], python: Path | str = sys.executable) -> dict[str, dict]:
    """Run the rooms, two at a time. A room's output appears when it ends, or live if it is the only room."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    print(f"== tests: {', '.join(chosen)}", flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {name: pool.submit(run, name, chosen[name], python, len(chosen) == 1) for name in chosen}
    return {name: found[name].result() for name in chosen}


def run(name: str, arguments: list[str], python: Path | str, at_once: bool) -> dict[str, int]:
    """Run one room; returns its number of tests per outcome, its seconds and pytest's exit code."""
    report, started = REPORTS / f"{name}.xml", time.monotonic()
    report.unlink(missing_ok=True)
    options = [f"--junitxml={report}", "-rs", "--durations=5"]
    command = [str(python), "-m", "pytest", *options, *arguments]
    printed = {} if at_once else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment(), **printed)
    if not at_once:
        print(f"== {name}\n{ended.stdout}", flush=True)
    code = 0 if ended.returncode == NOTHING_COLLECTED else ended.returncode
    return count(report) | {"seconds": round(time.monotonic() - started), "exit_code": code}


def environment() -> dict[str, str]:
    """One thread for small matrices, also in the hosts that tests start.

    On a busy machine, two threads that wait for each other take minutes.
    """
    return {"OMP_NUM_THREADS": "1", **os.environ}


def count(report: Path) -> dict[str, int]:
    """Outcomes in a JUnit file. If a run died before it wrote one, all are 0: see its exit code."""
    if not report.is_file():
        return dict.fromkeys(OUTCOMES, 0)
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = int(suite.get("skipped", 0))
    return {"passed": int(suite.get("tests", 0)) - failed - skipped, "failed": failed, "skipped": skipped}


def main(chosen: list[str]) -> int:
    """Run all rooms, or only those named on the command line."""
    started = time.monotonic()
    named = {name: given for name, given in rooms().items() if not chosen or name in chosen}
    results = run_all(named).values()
    total = {outcome: sum(result[outcome] for result in results) for outcome in OUTCOMES}
    summary = ", ".join(f"{number} {outcome}" for outcome, number in total.items())
    print(f"{summary} in {time.monotonic() - started:.0f} s")
    return 1 if total["failed"] or any(result["exit_code"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
