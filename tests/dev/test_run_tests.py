"""`make test`: every test file of a room runs once, and what is named on the command line runs too."""

import pytest

from dev import run_tests
from dev.host.fetch import REPOSITORY


@pytest.mark.parametrize("room", run_tests.rooms())
def test_every_file_of_a_room_runs_in_one_process(room):
    arguments = run_tests.rooms()[room]
    split = run_tests.parts(room, arguments).values()
    if len(split) > 1:
        files = [path.relative_to(REPOSITORY) for path in (REPOSITORY / "tests" / room).rglob("test_*.py")]
        assert sorted(file for each in split for file in each) == sorted(map(str, files))
    else:
        assert [*split] == [arguments]


def test_rooms_and_paths_can_be_named():
    assert run_tests.named([]) == run_tests.named([*run_tests.rooms()]) == run_tests.rooms()
    assert run_tests.named(["tests/host/test_ray.py", "tests/core", "tests/host/test_cluster.py"]) == {
        "host": ["tests/host/test_ray.py", "tests/host/test_cluster.py"],
        "core": ["tests/core"],
    }
    assert run_tests.named(["tests/test_rooms.py"]) == {"core": ["tests/test_rooms.py"]}


def test_what_does_not_exist_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    assert run_tests.main(["no-such-room"]) == 1


def test_a_room_in_parts_fails_if_one_part_does(monkeypatch, tmp_path):
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    tests = {"good": "def test_passes(): pass", "bad": "def test_fails(): assert False"}
    for name, text in tests.items():
        (tmp_path / f"test_{name}.py").write_text(text)
    monkeypatch.setattr(
        run_tests, "parts", lambda *_: {name: [str(tmp_path / f"test_{name}.py")] for name in tests}
    )
    room = run_tests.run_all({"host": []})["host"]
    assert [room[each] for each in ("passed", "failed", "exit_code")] == [1, 1, 1]
