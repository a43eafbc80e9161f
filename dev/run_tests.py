"""`make test`: every room's tests in a process of their own, and one line that sums them up.

The rooms must not share a process: loading the host puts a module called `nodes` and a patched torch in
place, which the tests of the pure mathematics should never see.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parents[1]
REPORTS = REPOSITORY / ".cache" / "test-reports"
APART = ("host", "dynamic", "ui", "e2e")  # each of these starts or contains a host
ON_A_CARD = "cuda"  # `make test-cuda`
OUTCOMES = ("passed", "failed", "skipped")
NOTHING_COLLECTED = 5


def rooms() -> dict[str, list[str]]:
    """Name of the run -> what pytest is given."""
    pure = ["tests", *(f"--ignore=tests/{name}" for name in (*APART, ON_A_CARD))]
    present = [name for name in APART if (REPOSITORY / "tests" / name).is_dir()]
    return {"core": pure} | {name: [f"tests/{name}"] for name in present}


def run(name: str, arguments: list[str], python: Path | str = sys.executable) -> tuple[int, dict[str, int]]:
    """pytest's exit code, and how many tests ended how."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    print(f"== tests: {name}", flush=True)
    options = [f"--junitxml={report}", "-rs", "--durations=5"]
    command = [str(python), "-m", "pytest", *options, *arguments]
    code = subprocess.run(command, cwd=REPOSITORY, env=environment()).returncode
    return (0 if code == NOTHING_COLLECTED else code), count(report)


def environment() -> dict[str, str]:
    """One thread for small matrices, in the hosts that tests start too: two that wait for each other take
    minutes on a busy machine."""
    return {"OMP_NUM_THREADS": "1", **os.environ}


def count(report: Path) -> dict[str, int]:
    """Outcomes in a JUnit file; a run that died before writing one counts nothing (its exit code tells)."""
    if not report.is_file():
        return dict.fromkeys(OUTCOMES, 0)
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = int(suite.get("skipped", 0))
    return {"passed": int(suite.get("tests", 0)) - failed - skipped, "failed": failed, "skipped": skipped}


def main(chosen: list[str]) -> int:
    """All rooms, or only those named on the command line."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    results = [run(name, arguments) for name, arguments in rooms().items() if not chosen or name in chosen]
    total = {outcome: sum(counts[outcome] for _, counts in results) for outcome in OUTCOMES}
    summary = ", ".join(f"{number} {outcome}" for outcome, number in total.items())
    print(f"{summary} in {time.monotonic() - started:.0f} s")
    return 1 if total["failed"] or any(code for code, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
