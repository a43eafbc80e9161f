"""`erase` with a list that comes with the pack, and with a file whose surrogates are erased too."""

import importlib
from types import SimpleNamespace

import pytest

from mace_erase.erase import concepts_of

HOST = SimpleNamespace(module=importlib.import_module)


def concepts(listed: str) -> tuple[dict, list[str]]:
    notes: list[str] = []
    options, line = SimpleNamespace(list=listed, kind="object"), SimpleNamespace(note=notes.append)
    return {each.target: each.surrogate for each in concepts_of(HOST, options, line)}, notes


def test_the_papers_four_words():
    found, notes = concepts("explicit content")
    assert found == dict.fromkeys(("nudity", "naked", "erotic", "sexual"), "a person wearing clothes")
    assert not notes


def test_a_chain_in_a_file_is_followed_and_told(tmp_path):
    (tmp_path / "a.txt").write_text("cat -> dog\ndog -> ground")
    found, notes = concepts(str(tmp_path / "a.txt"))
    assert found == {"cat": "ground", "dog": "ground"} and "gives way to 'ground'" in notes[0]


def test_another_name_is_a_file_that_is_missing():
    with pytest.raises((ValueError, OSError)):
        concepts("explicit")
