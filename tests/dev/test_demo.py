"""Parts of the demo that need neither server nor model, and the concepts it shares with the benchmarks."""

import pytest

from demo.graph import erasure_graph, find, scoring_graph
from demo.progress import Progress
from dev.bench.concepts import entry, others, without
from dev.host.client import Event
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


def node(class_type: str, title: str = "", **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


TEMPLATE = {
    "1": node("CheckpointLoaderSimple", ckpt_name="mini.safetensors"),
    "2": node("MACE_EraseConcepts", concepts="x -> y", kind="style"),
    "3": node("MACE_PreservePrior", captions="a photo of a cat\na photo of two ships\na boat\nshipping"),
    "4": node("CLIPTextEncode", "Prompt", text="x", clip=["1", 1]),
    "5": node("MACE_SaveErasure", name="x"),
    "6": node("EmptyLatentImage", width=64, height=64, batch_size=4),
    "7": node("KSampler", seed=7, steps=20, cfg=4.0, model=["1", 0]),
}


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


def test_only_what_a_user_would_change_is_changed():
    graph = erasure_graph(TEMPLATE, SHIP, "sea")
    assert find(graph, "MACE_EraseConcepts")["inputs"] == {"concepts": "ship -> sea", "kind": "object"}
    assert find(graph, "MACE_PreservePrior")["inputs"]["captions"] == "a photo of a cat\nshipping"
    assert find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] == "a photo of the ship"
    assert [graph[name] for name in "167"] == [TEMPLATE[name] for name in "167"]
    assert TEMPLATE["2"]["inputs"]["concepts"] == "x -> y"


def test_the_file_is_scored_against_the_original_with_the_templates_settings():
    graph = scoring_graph(TEMPLATE, WORLD, SHIP, "sea", "ship_1.safetensors", 20)
    score = find(graph, "MACE_ScoreErasure")["inputs"]
    assert (score["seed"], score["steps"], score["cfg"], score["images"]) == (7, 20, 4.0, 20)
    assert graph[score["before"][0]]["class_type"] == "CheckpointLoaderSimple"
    applied = graph[score["after"][0]]["inputs"]
    assert graph[applied["erasure"][0]]["inputs"] == {"name": "ship_1.safetensors"}
    assert score["keep"].splitlines() == ["object: cat", "object: dog", "object: bird"]
    assert score["synonyms"] == "", "left to the judge, so the erasure does not know them"


def test_a_template_without_a_node_is_refused():
    with pytest.raises(ValueError, match="no MACE_MaskConcepts"):
        find(TEMPLATE, "MACE_MaskConcepts")


def test_progress_reaches_the_end(capsys):
    progress = Progress(TEMPLATE)
    for event in (Event("executing", "7"), Event("progress", "7", 10, 20), Event("progress", "7", 1, 20)):
        progress(event)
    assert progress.reached == progress.fraction(0.5), (
        "a node with two progress bars must not move progress backwards"
    )
    progress(Event("execution_success"))
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "100%"
