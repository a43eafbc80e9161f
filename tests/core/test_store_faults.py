"""A cache folder that cannot be written to, holds foreign things or disappears: one sentence, no stop."""

import errno
import os
import shutil
import tempfile
import time

import pytest
import torch

from mace_core.files.store import Finished, Store, find, keep, keep_together

TENSORS = {"a": torch.ones(3)}
READ_ONLY, FULL = OSError(errno.EROFS, "Read-only file system"), OSError(errno.ENOSPC, "No space left")
KEYS = [f"{number:032x}" for number in range(6)]


def both(tensors, description):
    return tensors, description


def no_report(text):
    raise AssertionError(text)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "mace" / "drawn", 10**6)


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error, cure", [(READ_ONLY, "make the folder writable"), (FULL, "free some space")])
@pytest.mark.parametrize(
    "owner, name", [(os, "mkdir"), (tempfile, "mkdtemp"), (os, "fsync"), (os, "replace")]
)
def test_a_folder_that_cannot_be_written_to_is_one_sentence(store, monkeypatch, error, cure, owner, name):
    said = []
    if name != "mkdir":
        store.folder.mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing(error))
        keep(store, "x", KEYS[0], TENSORS, {}, said.append)
    assert len(said) == 1 and "'mace/drawn'" in said[0] and cure in said[0] and said[0].endswith(".")
    assert find(store, "x", KEYS[0], no_report, both) is None
    assert not store.folder.exists() or not contents(store.folder)


def test_what_a_read_only_folder_holds_is_found(store, monkeypatch):
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    monkeypatch.setattr(os, "utime", failing(READ_ONLY))
    assert find(store, "x", KEYS[0], no_report, both)


def test_a_damaged_file_that_cannot_be_removed_is_reported(store, monkeypatch):
    said = []
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    store.path("x", KEYS[0]).write_bytes(b"?")
    monkeypatch.setattr(os, "unlink", failing(READ_ONLY))
    assert find(store, "x", KEYS[0], said.append, both) is None and "damaged" in said[0] and len(said) == 1


def test_a_file_that_cannot_be_read_is_reported_and_replaced(store, monkeypatch):
    said = []
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    with monkeypatch.context() as patched:
        patched.setattr(
            "mace_core.files.store.load_checked", failing(OSError(errno.EIO, "Input/output error"))
        )
        assert find(store, "x", KEYS[0], said.append, both) is None
    assert len(said) == 1 and "cannot be read (input/output error)" in said[0]
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    assert find(store, "x", KEYS[0], no_report, both)


def put(path, form):
    if form == "folder":
        (path / "own").mkdir(parents=True)
    elif form == "file":
        path.write_text("own")
    else:
        path.symlink_to({"dangling link": "nowhere", "loop": path.name, "link to a folder": ".."}[form])


LINKS = ["dangling link", "loop", "link to a folder"]


@pytest.mark.parametrize("form", ["folder", *LINKS])
def test_a_foreign_thing_under_a_kept_name_stays_and_is_reported(store, form):
    store.folder.mkdir(parents=True)
    path, said = store.path("x", KEYS[0]), []
    put(path, form)
    before = path.lstat()
    for _ in range(2):
        said.clear()
        assert find(store, "x", KEYS[0], said.append, both) is None
        keep_together(
            store,
            [Finished(name, key, TENSORS, {}) for name, key in zip("xy", KEYS, strict=False)],
            said.append,
        )
        # the same sentence, which a node shows once; and the whole batch is not cached
        assert len(set(said)) == 1 and path.name in said[0] and path.lstat().st_ino == before.st_ino
        assert contents(store.folder) == [path.name]
    keep(store, "y", KEYS[1], TENSORS, {}, no_report)
    assert find(store, "y", KEYS[1], no_report, both)


def test_a_link_to_a_kept_file_is_followed_and_never_replaced(store, tmp_path):
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    path, said = store.path("x", KEYS[0]), []
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert find(store, "x", KEYS[0], no_report, both)
    (tmp_path / "elsewhere").write_bytes(b"?")
    assert find(store, "x", KEYS[0], said.append, both) is None
    keep(store, "x", KEYS[0], TENSORS, {}, said.append)
    assert path.is_symlink() and (tmp_path / "elsewhere").read_bytes() == b"?" and len(said) == 2


@pytest.mark.parametrize("form", ["folder", "file", *LINKS])
@pytest.mark.parametrize("stem", ["x", KEYS[5]])
def test_a_foreign_thing_like_a_batch_stays_and_is_reported(store, form, stem):
    store.folder.mkdir(parents=True)
    path, said = store.folder / f"{stem}.together", []
    put(path, form)
    assert find(store, "x", KEYS[0], said.append, both) is None
    keep(store, "x", KEYS[0], TENSORS, {}, said.append)
    assert find(store, "x", KEYS[0], said.append, both)
    assert len(set(said)) == 1 and path.name in said[0]
    assert os.path.lexists(path) and (form != "folder" or (path / "own").is_dir())


def test_a_finished_batch_moves_in_beside_what_is_foreign(store):
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    batch, said = store.folder / f"{KEYS[5]}.together", []
    (batch / "own").mkdir(parents=True)
    os.replace(store.path("x", KEYS[0]), batch / store.path("x", KEYS[0]).name)
    (batch / "notes.txt").write_text("own")
    assert find(store, "x", KEYS[0], said.append, both)
    assert contents(batch) == ["notes.txt", "own"] and len(said) == 1


@pytest.mark.parametrize("form", ["file", *LINKS])
def test_the_cache_folder_itself_is_something_else(store, form):
    store.folder.parent.mkdir()
    put(store.folder, form)
    said = []
    assert find(store, "x", KEYS[0], said.append, both) is None
    keep(store, "x", KEYS[0], TENSORS, {}, said.append)
    assert os.path.lexists(store.folder) and (len(said) == 1 or form == "link to a folder")


@pytest.mark.parametrize("form", ["folder", "file", *LINKS])
def test_foreign_things_do_not_disturb_the_cleanup(store, form):
    store.folder.mkdir(parents=True)
    names = ["own.safetensors", "own-file.safetensors", ".mace-own.tmp"]
    for name in names:
        put(store.folder / name, form)
        os.utime(store.folder / name, (0, 0), follow_symlinks=False)
    keep(Store(store.folder, 1), "x", KEYS[0], TENSORS, {}, no_report)
    left = contents(store.folder)
    assert store.path("x", KEYS[0]).name in left
    assert set(left) >= set(names if form != "folder" else names[:2])  # an old unfinished folder is ours


@pytest.mark.parametrize("owner, name", [(tempfile, "mkdtemp"), (os, "fsync"), (os, "replace")])
def test_a_folder_that_is_deleted_meanwhile_costs_only_what_it_held(store, monkeypatch, owner, name):
    keep(store, "x", KEYS[0], TENSORS, {}, no_report)
    said, done = [], getattr(owner, name)

    def after_deletion(*arguments, **named):
        shutil.rmtree(store.folder.parent, ignore_errors=True)
        return done(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, after_deletion)
        keep(store, "y", KEYS[1], TENSORS, {}, said.append)
    assert len(said) == 1
    keep(store, "z", KEYS[2], TENSORS, {}, no_report)
    assert find(store, "z", KEYS[2], no_report, both) and contents(store.folder) == [
        store.path("z", KEYS[2]).name
    ]


def test_a_clock_that_goes_back_removes_nothing_of_this_run(store):
    for name, key in zip("abc", KEYS, strict=False):
        keep(store, name, key, TENSORS, {}, no_report)
    ahead = time.time() + 10**7
    for number, (name, key) in enumerate(zip("abc", KEYS, strict=False)):
        os.utime(store.path(name, key), (ahead + number, ahead + number))
    size = store.path("a", KEYS[0]).stat().st_size
    store = Store(store.folder, 3 * size)
    find(store, "a", KEYS[0], no_report, both)
    for name, key in zip("def", KEYS[3:], strict=True):
        keep(store, name, key, TENSORS, {}, no_report)
    assert [name for name, key in zip("abcdef", KEYS, strict=True) if store.path(name, key).exists()] == list(
        "def"
    )
    keep(Store(store.folder, 4 * size), "a", KEYS[0], TENSORS, {}, no_report)
    find(store, "d", KEYS[3], no_report, both)
    assert store.path("d", KEYS[3]).stat().st_mtime > ahead
