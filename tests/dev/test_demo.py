"""The demo's parts that need neither a server nor a model."""

import pytest
import torch
from PIL import Image

from demo.graph import Drawing, erasure_graph, find, scoring_graph
from demo.picture import draw_before_after
from demo.progress import Progress
from dev.bench.plan import make_plan
from dev.bench.score import score, table
from dev.host.client import Event

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
PLAN = make_plan(WORLD, "ship")


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


class Oracle:
    """A judge that reads the answer from the pictures: their first pixel is the number of a name."""

    def probabilities(self, images, names):
        return torch.eye(len(names))[images[:, 0, 0, 0].long()]


def pictures(**after) -> dict:
    """All as they should be before; after, what is named shows something else."""
    shown = {each.phrase: each.expected for each in PLAN.sets}
    sides = {"before": shown, "after": shown | after}
    return {
        (side, phrase): torch.full((2, 4, 4, 3), float(PLAN.target.names.index(name)))
        for side, names in sides.items()
        for phrase, name in names.items()
    }


def test_the_plan_comes_from_the_world():
    assert PLAN.surrogate == "sea"
    assert [each.phrase for each in PLAN.kept] == ["cat", "dog", "bird"]
    assert [each.expected for each in PLAN.synonyms] == ["ship", "ship", "ship"]
    assert PLAN.synonyms[0].prompt == "a photo of the boat"
    assert set(PLAN.target.names) == {*NAMES, "sea", "sky", "person"}
    assert make_plan(WORLD, "cat", "a dog").surrogate == "a dog"


def test_a_style_is_judged_among_styles():
    assert make_plan(WORLD, "sepia").target.names == ("colour", "black and white", "sepia")
    noto = make_plan(WORLD, "noto")
    assert (noto.target.names, noto.target.expected) == (("noto style",), "noto style")
    assert noto.target.prompt == "a picture in the style of noto"


@pytest.mark.parametrize("concept", ["shp", ""])
def test_a_concept_the_world_lacks_is_answered_with_near_ones(concept):
    with pytest.raises(ValueError, match="take another, such as"):
        make_plan(WORLD, concept)


def test_only_what_a_user_would_change_is_changed():
    graph = erasure_graph(TEMPLATE, PLAN)
    assert find(graph, "MACE_EraseConcepts")["inputs"] == {"concepts": "ship -> sea", "kind": "object"}
    assert find(graph, "MACE_PreservePrior")["inputs"]["captions"] == "a photo of a cat\nshipping"
    assert find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] == "a photo of the ship"
    assert [graph[name] for name in "167"] == [TEMPLATE[name] for name in "167"]
    assert TEMPLATE["2"]["inputs"]["concepts"] == "x -> y"


def test_every_prompt_set_is_drawn_twice_with_the_templates_settings():
    graph = scoring_graph(Drawing.of(TEMPLATE), PLAN, "ship_1.safetensors", 20)
    samplers = [each["inputs"] for each in graph.values() if each["class_type"] == "KSampler"]
    assert len(samplers) == 2 * len(PLAN.sets)
    assert {(each["seed"], each["steps"], each["cfg"]) for each in samplers} == {(7, 20, 4.0)}
    assert graph["latent"]["inputs"]["batch_size"] == 20


def test_scores_of_a_perfect_erasure():
    gone = dict.fromkeys(("ship", "boat", "vessel", "watercraft"), "sea")
    scores = score(Oracle(), PLAN, pictures(**gone))
    assert (scores.acc_e, scores.acc_g, scores.acc_s, scores.h_o) == (0, 0, 100, 100)
    assert (scores.acc_e_before, scores.acc_s_before) == (100, 100)


def test_scores_of_collateral_damage():
    scores = score(Oracle(), PLAN, pictures(ship="sea", boat="sea", cat="dog"))
    assert scores.acc_g == pytest.approx(200 / 3)
    assert scores.acc_s == pytest.approx(200 / 3)
    assert scores.h_o == pytest.approx(100 * 3 / (1 + 1.5 + 3))
    assert "66.7" in table(scores)


def test_the_picture_is_written(tmp_path):
    draw_before_after(PLAN, {key: each / 10 for key, each in pictures().items()}, tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").width > 800


def test_progress_reaches_the_end(capsys):
    progress = Progress(TEMPLATE)
    for event in (Event("executing", "7"), Event("progress", "7", 10, 20), Event("progress", "7", 1, 20)):
        progress(event)
    assert progress.reached == progress.fraction(0.5), "a node with two bars must not throw us back"
    progress(Event("execution_success"))
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "100%"
