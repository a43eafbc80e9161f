"""Parts of the demo that need neither ComfyUI nor model, and the concepts it shares with the benchmarks."""

import json

import pytest

from demo.commands import LISTS, NODES, erase_command, score_command, write_lists
from dev.bench.concepts import entry, others, without
from mace_erase.options import parser
from mini.vocabulary import choices

NAMES = ("ship", "cat", "dog", "bird")
WORLD = {
    "scenes": ["sea", "sky"],
    "concepts": [{"name": name, "kind": "object", "synonyms": [], "surrogate": "sky"} for name in NAMES[1:]]
    + [
        {"name": "ship", "kind": "object", "synonyms": ["boat", "vessel", "watercraft"], "surrogate": "sea"},
        {"name": "noto", "kind": "style", "synonyms": [], "surrogate": "art"},
        {"name": "sepia", "kind": "style", "synonyms": [], "surrogate": "colour"},
    ],
}
SHIP, NOTO, SEPIA = (entry(WORLD, name) for name in ("ship", "noto", "sepia"))


def test_others_are_of_the_same_kind():
    assert others(WORLD, SHIP) == ["cat", "dog", "bird"] and others(WORLD, SEPIA) == ["noto"]


def test_a_style_is_judged_among_styles_of_its_sort():
    assert choices(WORLD, SEPIA) == (("colour", "black and white", "sepia"), "sepia")
    assert choices(WORLD, NOTO) == (("noto style",), "noto style")
    names, own = choices(WORLD, SHIP)
    assert set(names) == {*NAMES, "sea", "sky", "person"} and own == "ship"


@pytest.mark.parametrize("concept", ["shp", ""])
def test_an_unknown_concept_is_answered_with_similar_ones(concept):
    with pytest.raises(ValueError, match="such as"):
        entry(WORLD, concept)


def test_captions_that_name_the_concept_are_left_out():
    captions = "a photo of a cat\na photo of two ships\nA Boat\nshipping"
    assert without(SHIP, captions) == "a photo of a cat\nshipping"


@pytest.fixture
def folder(tmp_path):
    write_lists(tmp_path, WORLD, SHIP, "sea")
    return tmp_path


def test_the_lists_name_what_to_erase_preserve_and_score(folder):
    concepts, preserve, keep = ((folder / name).read_text() for name in LISTS)
    assert concepts == "ship -> sea", "without synonyms: scoring tests that the erasure never saw them"
    captions = NODES["prior"]["captions"]
    assert "a photo of the boat" not in preserve and "ship" not in preserve
    assert without(SHIP, captions) == preserve and len(preserve.splitlines()) == 42
    assert keep.splitlines() == ["object: cat", "object: dog", "object: bird"]


def test_both_commands_are_valid_and_have_the_settings_of_the_template(folder):
    erase = parser().parse_args(erase_command(folder, SHIP))
    assert (erase.images, erase.steps, erase.cfg, erase.size) == (8, 30, 4.0, (64, 64))
    assert (erase.kind, erase.name, erase.checkpoint) == ("object", "ship", "mace_mini_sd.safetensors")
    assert erase.list == str(folder / LISTS[0]) and erase.preserve == str(folder / LISTS[1])
    unset = {erase.seed, erase.method, erase.preset, erase.names, erase.everyday, erase.preview}
    assert unset == {None, False}, "the template has the nodes' defaults"
    score = parser().parse_args(score_command(folder, "ship_00001.safetensors", 20))
    assert (score.erasure, score.images, score.keep) == ("ship_00001.safetensors", 20, str(folder / LISTS[2]))
    assert score.never_named is None, "thirty of the judge's, by default"
    assert (score.seed, score.steps, score.cfg, score.size) == (7, 20, 4.0, (64, 64))


def test_the_committed_template_is_what_the_demo_reads(repository):
    """`make templates` writes the JSON that users open from the same description."""
    saved = json.loads((repository / "workflows" / "02_erase_one_concept.json").read_text())
    text = json.dumps(saved)
    assert json.dumps(NODES["prior"]["captions"]) in text
