"""New numbered files: none replaces another, whoever writes at the same time; a full disk is one sentence."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from mace_core.files import atomic
from mace_core.files.atomic import written_numbered

EACH, PROCESSES = 60, 3
WRITER = f"""
import errno, os, sys
from mace_core.files.atomic import written_numbered

def refused(*_, **__):
    raise OSError(errno.EPERM, "no hard links here")

who, base, links, form = sys.argv[1:]
if links == "no":
    os.link = refused
for number in range({EACH}):
    text = f"{{who}} {{number}} " * 500
    if form == "file":
        written_numbered(base, ".txt", lambda path: path.write_text(text))
    else:
        def fill(path):
            path.mkdir()
            (path / "a.txt").write_text(text)
        written_numbered(base, "", fill)
"""


def text(path: Path) -> str:
    return (path / "a.txt" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("links, form", [("yes", "file"), ("no", "file"), ("yes", "folder")])
def test_processes_that_write_under_one_name_lose_nothing(tmp_path, links, form):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(who), str(tmp_path / "x"), links, form])
        for who in range(PROCESSES)
    ]
    assert [writer.wait() for writer in writers] == [0] * PROCESSES
    found = sorted(tmp_path.iterdir())
    assert len(found) == EACH * PROCESSES
    assert {text(path) for path in found} == {
        f"{who} {number} " * 500 for who in range(PROCESSES) for number in range(EACH)
    }


@pytest.mark.parametrize("links", [True, False])
def test_whatever_has_the_name_stays(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.delattr(os, "link")
    (tmp_path / "x_00001.txt").write_text("old")
    (tmp_path / "x_00002.txt").mkdir()
    (tmp_path / "x_00003.txt").symlink_to("nowhere")
    (tmp_path / "x_00004.txt").symlink_to("x_00004.txt")
    path, result = written_numbered(tmp_path / "x", ".txt", lambda path: path.write_text("new"))
    assert (path.name, path.read_text(), result) == ("x_00005.txt", "new", 3)
    assert (tmp_path / "x_00001.txt").read_text() == "old" and (tmp_path / "x_00002.txt").is_dir()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("name", ["file", "empty", "full", "link"])
def test_a_folder_replaces_nothing(tmp_path, name):
    taken = tmp_path / "x_00001"
    if name == "file":
        taken.touch()
    elif name == "link":
        taken.symlink_to("nowhere")
    else:
        taken.mkdir()
        (taken / "own").mkdir() if name == "full" else None
    path, _ = written_numbered(tmp_path / "x", "", lambda path: path.mkdir())
    assert path.name == "x_00002" and path.is_dir() and os.path.lexists(taken)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


READ_ONLY, FULL = OSError(errno.EROFS, "Read-only file system"), OSError(errno.ENOSPC, "No space left")
FULL_OF_RUST = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    "error, what, told",
    [
        (READ_ONLY, "mkdtemp", "(read-only file system): make the folder writable and try again."),
        (FULL, "fsync", "(the disk is full): free some space on the disk and try again."),
        (FULL_OF_RUST, "write", "(the disk is full): free some space on the disk and try again."),
        (OSError("odd"), "fsync", "(it failed): check the folder and try again."),
    ],
)
def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, error, what, told):
    owner = {"mkdtemp": atomic.tempfile, "fsync": os}.get(what)
    if owner:
        monkeypatch.setattr(owner, what, failing(error))
    write = failing(error) if what == "write" else lambda path: path.write_text("new")
    with pytest.raises(ValueError) as raised:
        written_numbered(tmp_path / "x", ".txt", write)
    assert str(raised.value) == f"'x.txt' cannot be written {told}" and not list(tmp_path.iterdir())


def test_without_hard_links_a_failed_move_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", failing(OSError(errno.EPERM, "no")))
    monkeypatch.setattr(os, "replace", failing(FULL))
    with pytest.raises(ValueError, match="the disk is full"):
        written_numbered(tmp_path / "x", ".txt", lambda path: path.write_text("new"))
    assert not list(tmp_path.iterdir())


def test_what_killed_runs_left_is_removed_by_the_next_file(tmp_path):
    left = [tmp_path / f".mace-{name}.tmp" for name in ("old", "new", "own")]
    for room in left[:2]:
        room.mkdir()
        (room / "unfinished").touch()
    left[2].symlink_to(left[1])  # not the pack's
    os.utime(left[0], (0, 0))
    written_numbered(tmp_path / "x", ".txt", lambda path: path.write_text("new"))
    assert sorted(tmp_path.iterdir()) == sorted([*left[1:], tmp_path / "x_00001.txt"])
