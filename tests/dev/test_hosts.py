"""`make hosts`: rows hold pytest's counts, the page matches them, and the declared minimum host is one."""

import json
import sys
import tomllib
from importlib import metadata

import pytest

from dev import hosts, run_tests
from dev.host.fetch import REPOSITORY

ROOM = {"passed": 1, "failed": 0, "skipped": 0, "seconds": 7, "exit_code": 0}
ROW = {
    "front_end": "1.2.3",
    "python": "3.11.7",
    "torch": "2.13.0",
    "date": "2026-01-02",
    "rooms": {"host": ROOM},
}
TESTS = """
import os, pytest
def test_passes(): assert open(os.path.join(os.environ["COMFYUI_PATH"], "main.py"))
def test_fails(): assert False
@pytest.mark.skip(reason="no")
def test_skips(): pass
"""


@pytest.fixture
def comfyui(tmp_path, monkeypatch):
    """A folder that claims to be ComfyUI 9.8.7 and has no requirements."""
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    monkeypatch.setenv("COMFYUI_PATH", "another")
    for name, text in {
        "main.py": "",
        "requirements.txt": "",
        "comfyui_version.py": "__version__ = '9.8.7'",
        "test_room.py": TESTS,
        "test_broken.py": "import os; os._exit(9)",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_row_is_what_the_tests_said_on_that_host(comfyui):
    version, row = hosts.measure(comfyui, {"host": [str(comfyui / "test_room.py")]})
    assert version == "9.8.7"
    assert [row["rooms"]["host"][name] for name in ("passed", "failed", "skipped")] == [1, 1, 1]
    assert row["torch"] == metadata.version("torch") and sys.version.startswith(row["python"])
    assert row["front_end"] == metadata.version("comfyui-frontend-package")
    assert not hosts.passed(row)


def test_a_run_that_died_has_not_passed_and_the_page_says_so(comfyui):
    _, row = hosts.measure(comfyui, {"host": [str(comfyui / "test_broken.py")]})
    assert not hosts.passed(row)
    assert "**stopped with 9**" in hosts.page({"9.8.7": row})


def test_rows_are_kept_replaced_by_version_and_in_the_order_of_versions(tmp_path):
    for version, date in (("0.33.0", "old"), ("0.3.75", "b"), ("0.20.0", "c"), ("0.33.0", "new")):
        hosts.keep(version, ROW | {"date": date}, tmp_path)
    rows = json.loads((tmp_path / "hosts.json").read_text())
    assert [(version, row["date"]) for version, row in rows.items()] == [
        ("0.3.75", "b"),
        ("0.20.0", "c"),
        ("0.33.0", "new"),
    ]
    page = (tmp_path / "hosts.md").read_text()
    assert page == hosts.page(rows)
    assert page.index("| 0.3.75 |") < page.index("| 0.20.0 |") < page.index("| 0.33.0 |")


def test_a_line_says_how_each_room_ended():
    rooms = {"host": ROOM | {"skipped": 2}, "ui": ROOM | {"passed": 3, "failed": 4, "exit_code": 1}}
    line = hosts.page({"0.3.75": ROW | {"rooms": rooms}}).splitlines()[-1]
    assert line == (
        "| 0.3.75 | 1.2.3 | 3.11.7 | 2.13.0 | 2026-01-02 | 1 passed, 2 skipped, 7 s "
        "| 3 passed, 4 failed, 7 s |"
    )


@pytest.mark.parametrize(
    "change, good", [({}, True), ({"failed": 1, "exit_code": 1}, False), ({"exit_code": 3}, False)]
)
def test_a_host_passed_when_every_room_did(change, good):
    assert hosts.passed(ROW | {"rooms": {"ui": ROOM, "host": ROOM | change}}) is good


def test_the_committed_page_is_of_its_numbers_and_the_promised_host_was_run():
    if not (hosts.RESULTS / "hosts.json").exists():
        pytest.skip("`make hosts` has not been run yet")
    rows = json.loads((hosts.RESULTS / "hosts.json").read_text())
    assert (hosts.RESULTS / "hosts.md").read_text() == hosts.page(rows)
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["comfy"]["requires-comfyui"]
    assert wanted == f">={min((each for each in rows if hosts.passed(rows[each])), key=hosts.in_order)}"
