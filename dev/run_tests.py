"""`make test`: runs each room's tests in separate processes, two at a time, and prints a one-line summary.

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
APART = ("host", "ui", "e2e", "dynamic")  # each of these starts or loads a host; longest first
PROCESSES = {"host": 2}  # for rooms so long that the other core would be idle at the end
ON_A_CARD = "cuda"  # `make test-cuda`
OUTCOMES = ("passed", "failed", "skipped")
NOTHING_COLLECTED = 5
AT_ONCE = min(2, os.cpu_count() or 1)  # each room computes with one thread


def rooms() -> dict[str, list[str]]:
    """Name of the room -> arguments for pytest."""
    pure = ["tests", *(f"--ignore=tests/{name}" for name in (*APART, ON_A_CARD))]
    present = [name for name in APART if (REPOSITORY / "tests" / name).is_dir()]
    return {name: [f"tests/{name}"] for name in present} | {"core": pure}


def named(chosen: list[str]) -> dict[str, list[str]]:
    """All rooms, or those chosen: by name, or by the paths of tests."""
    every = rooms()
    picked: dict[str, list[str]] = {}
    for each in chosen:
        folder = Path(each).parts[1:2]
        room = each if each in every else folder[0] if folder and folder[0] in APART else "core"
        picked.setdefault(room, []).extend(every[each] if each in every else [each])
    return picked or every


def parts(name: str, arguments: list[str]) -> dict[str, list[str]]:
    """Name of the report -> arguments of one process. The files of a long room take turns."""
    count = PROCESSES.get(name, 1) if arguments == [f"tests/{name}"] else 1
    if count == 1:
        return {name: arguments}
    files = sorted(f"tests/{name}/{path.name}" for path in (REPOSITORY / "tests" / name).glob("test_*.py"))
    return {f"{name}-{number + 1}": files[number::count] for number in range(count)}


def run_all(chosen: Mapping[str, list[str]], python: Path | str = sys.executable) -> dict[str, dict]:
    """Run the rooms, two processes at a time. A process is printed when it ends, or live if it is alone."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    print(f"== tests: {', '.join(chosen)}", flush=True)
    split = {name: parts(name, arguments) for name, arguments in chosen.items()}
    alone = sum(map(len, split.values())) == 1
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            name: [pool.submit(run, report, arguments, python, alone) for report, arguments in each.items()]
            for name, each in split.items()
        }
    return {name: together([each.result() for each in results]) for name, results in running.items()}


def together(results: list[dict[str, int]]) -> dict[str, int]:
    """The sums of a room's processes, and the first exit code that is not 0."""
    summed = {name: sum(each[name] for each in results) for name in results[0]}
    return summed | {"exit_code": next((each["exit_code"] for each in results if each["exit_code"]), 0)}


def run(name: str, arguments: list[str], python: Path | str, alone: bool) -> dict[str, int]:
    """Run one process; returns its number of tests per outcome, its seconds and pytest's exit code."""
    report, started = REPORTS / f"{name}.xml", time.monotonic()
    report.unlink(missing_ok=True)
    options = [f"--junitxml={report}", "-rs", "--durations=5"]
    command = [str(python), "-m", "pytest", *options, *arguments]
    printed = {} if alone else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment(), **printed)
    seconds = round(time.monotonic() - started)
    if not alone:
        print(f"== {name}, {seconds} s\n{ended.stdout}", flush=True)
    code = 0 if ended.returncode == NOTHING_COLLECTED else ended.returncode
    return count(report) | {"seconds": seconds, "exit_code": code}


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
    """Run all rooms, or only the rooms and tests on the command line."""
    started = time.monotonic()
    results = run_all(named(chosen)).values()
    total = {outcome: sum(result[outcome] for result in results) for outcome in OUTCOMES}
    summary = ", ".join(f"{number} {outcome}" for outcome, number in total.items())
    print(f"{summary} in {time.monotonic() - started:.0f} s")
    return 1 if total["failed"] or any(result["exit_code"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
