"""`make faults` on real servers, its first fault in short: kill -9 at a random moment of a run."""

from dev.faults.lab import SAME_FOR_ALL, Lab, Tally
from dev.faults.table import FAULTS


def test_after_kills_the_job_gives_the_same_bits_as_without(tmp_path):
    tally = Tally()
    FAULTS["kill"](Lab(tmp_path, kills=1), tally)
    assert tally.holds, tally.problems
    assert set(SAME_FOR_ALL) <= tally.bounds.keys()
