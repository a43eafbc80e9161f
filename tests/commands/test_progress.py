"""Progress of the command line: rewritten on a terminal, rare in a file, and what stays in both."""

import io

import pytest

from mace_erase import progress
from mace_erase.progress import Line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_file_gets_a_line_every_ten_seconds(clock):
    line = Line(stream=io.StringIO())
    for second in range(25):
        clock[0] = second
        line.say(f"Draw concepts: ship, about {25 - second} s left")
        line.advance(second, 25)
    assert line.stream.getvalue().splitlines() == [
        "      Draw concepts: ship, about 25 s left",
        " 36%  Draw concepts: ship, about 15 s left",
        " 76%  Draw concepts: ship, about 5 s left",
    ]


def test_a_terminal_gets_one_line_that_is_rewritten_and_cleared():
    line = Line(stream=Terminal())
    line.say("Draw concepts: ship")
    line.advance(1, 2)
    line.say("Fuse")
    line.end()
    written = line.stream.getvalue()
    assert "\n" not in written and written.split("\r")[2].strip() == "50%  Draw concepts: ship"
    assert written.split("\r")[-3].rstrip() == "      Fuse", "the share belongs to the stage before"
    assert not written.split("\r")[-2].strip() and written.endswith("\r")


def test_what_came_from_the_cache_is_counted_and_stays():
    line = Line(stream=Terminal())
    line.say("Draw concepts: ship (3 of 4)")
    line.say("Draw concepts: 2 of 4 concepts are in the cache")
    assert line.cached == {"Draw concepts": 2}
    assert "\rDraw concepts: 2 of 4 concepts are in the cache" in line.stream.getvalue()
    assert line.stream.getvalue().endswith("\n")


def test_quiet_means_nothing():
    line = Line(quiet=True, stream=io.StringIO())
    line.say("Draw concepts: ship")
    line.note("Done.")
    line.say("Train LoRA: 1 of 4 concepts are in the cache")
    line.end()
    assert line.stream.getvalue() == "" and line.cached == {"Train LoRA": 1}
