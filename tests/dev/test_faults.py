"""`make faults`: a bound that does not hold fails the command, and the committed page is of its numbers."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from dev.faults import __main__ as faults
from dev.faults.job import METHODS
from dev.faults.lab import SAME_FOR_ALL, Lab, Reference, Stopped, Tally
from dev.faults.report import page
from dev.faults.table import FAULTS


def good(lab, tally):
    """A fault that breaks nothing."""
    tally.check("right result", True)


def bad(lab, tally):
    """A fault that breaks one thing once."""
    tally.check("right result", True)
    tally.check("right result", False, "another erasure")


def impossible(lab, tally):
    """A fault that cannot be injected."""
    tally.check("right result", True)
    raise RuntimeError("mount failed: not here")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs faults of this file without any server; returns the exit code and the written rows."""
    for each in (good, bad, impossible):
        monkeypatch.setitem(FAULTS, each.__name__, each)
    reference = Reference({}, dict.fromkeys(METHODS, 1.0), "", "9.8.7")
    lab = SimpleNamespace(reference=reference, stopping=False)
    monkeypatch.setattr(faults, "Lab", lambda *_: lab)
    monkeypatch.setattr(faults.signal, "signal", lambda *_: None)

    def run(*names: str) -> tuple[int, dict]:
        code = faults.main(faults.parsed([*names]), tmp_path)
        rows = json.loads((tmp_path / "faults.json").read_text())
        assert (tmp_path / "faults.md").read_text() == page(rows)
        return code, rows

    return run


def test_bounds_that_hold_every_time_are_a_success(run):
    code, rows = run("good")
    assert code == 0 and rows["good"]["held"] and rows["good"]["bounds"] == {"right result": [1, 1]}


@pytest.mark.parametrize(
    "name, problem",
    [
        ("bad", "right result: another erasure"),
        ("impossible", "carried out: RuntimeError: mount failed: not here"),
    ],
)
def test_a_bound_that_does_not_hold_once_fails_the_command(run, name, problem):
    code, rows = run("good", name)
    assert code == 1 and rows["good"]["held"] and not rows[name]["held"]
    assert rows[name]["problems"] == [problem] and f"- {problem}" in page(rows)
    assert f"| {name.capitalize()} |" in page(rows) and "| **no** |" in page(rows)


def test_faults_that_are_not_named_keep_their_rows(run):
    run("bad")
    code, rows = run("good")
    assert code == 0 and list(rows) == ["good", "bad"]


def test_an_unknown_fault_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        faults.parsed(["kill", "flood"])
    assert (
        stopped.value.code == 2 and "there is no fault 'flood': use any of kill," in capsys.readouterr().err
    )
    assert faults.parsed([]).faults == list(FAULTS)


def test_nothing_checked_is_nothing_held():
    assert not Tally().holds


def lab(seed: int) -> Lab:
    lab = Lab.__new__(Lab)
    lab.seed, lab.stopping = seed, False
    lab.reference = Reference({}, {METHODS[0]: 10.0, METHODS[1]: 20.0}, "", "")
    return lab


def test_moments_are_spread_over_the_whole_run_and_repeatable():
    found = list(lab(0).moments("kill", 50))
    assert found == list(lab(0).moments("kill", 50)) != list(lab(1).moments("kill", 50))
    for number, (method, seconds) in enumerate(found):
        assert method == METHODS[number % 2]
        whole = 10.0 * (1 + number % 2)
        assert number / 50 <= seconds / whole <= (number + 1) / 50


def test_a_harness_that_is_stopped_starts_nothing_more():
    stopped = lab(0)
    stopped.stopping = True
    with pytest.raises(Stopped):
        stopped.recovered(None, Tally())


def test_the_committed_page_is_of_its_numbers_and_every_bound_held():
    path = Path(faults.RESULTS) / "faults.json"
    rows = json.loads(path.read_text())
    assert path.with_suffix(".md").read_text() == page(rows)
    assert list(rows) == list(FAULTS) and all(row["held"] for row in rows.values())
    assert rows["kill"]["bounds"]["right result"] == [faults.KILLS] * 2
    for row in rows.values():
        assert set(SAME_FOR_ALL) <= row["bounds"].keys() and not row["problems"]
        assert all(held == checked > 0 for held, checked in row["bounds"].values())
