"""The paper's claims at small scale: the main job on the trained miniature, through the server."""

import pytest

from dev.bench.concepts import entry
from mini.vocabulary import load_world
from tests.e2e.main_job import erase_and_score, erasure_graph, find

IMAGES = 8  # per prompt


@pytest.fixture(scope="module")
def scores(host) -> dict:
    return scores_of("ship", host)


def scores_of(name: str, host, **scored: str) -> dict:
    """The top-1 scores of Score Erasure."""
    world = load_world()
    concept = entry(world, name)
    record = erase_and_score(host, world, concept, IMAGES, **scored)
    return record["scores"]["top1"]


def test_only_what_a_user_would_change_is_changed():
    def node(class_type: str, title: str = "", **inputs) -> dict:
        return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}

    template = {
        "1": node("CheckpointLoaderSimple", ckpt_name="mini.safetensors"),
        "2": node("MACE_EraseConcepts", concepts="x -> y", kind="style"),
        "3": node("MACE_PreservePrior", captions="a photo of a cat\na photo of two ships\na boat\nshipping"),
        "4": node("CLIPTextEncode", "Prompt", text="x", clip=["1", 1]),
        "5": node("MACE_SaveErasure", name="x"),
        "6": node("EmptyLatentImage", width=64, height=64, batch_size=4),
    }
    graph = erasure_graph(template, entry(load_world(), "ship"))
    assert find(graph, "MACE_EraseConcepts")["inputs"] == {"concepts": "ship -> sea", "kind": "object"}
    assert find(graph, "MACE_PreservePrior")["inputs"]["captions"] == "a photo of a cat\nshipping"
    assert find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] == "a photo of the ship"
    assert [graph[name] for name in "16"] == [template[name] for name in "16"]
    assert template["2"]["inputs"]["concepts"] == "x -> y"


def test_the_original_model_generates_what_is_erased(scores):
    assert scores["before"]["acc_e"] >= 0.8


def test_efficacy_the_concept_is_gone(scores):
    assert scores["after"]["acc_e"] <= 1 / 8  # one image in eight


def test_generality_its_synonyms_do_not_bring_it_back(scores):
    assert scores["before"]["acc_g"] >= 0.6
    assert scores["after"]["acc_g"] <= 0.25


def test_specificity_other_concepts_are_preserved(scores):
    assert scores["after"]["acc_s"] >= 0.9 * scores["before"]["acc_s"]


def test_what_nobody_named_stays(scores):
    assert scores["before"]["never"] >= 0.8
    assert scores["after"]["never"] == pytest.approx(scores["before"]["never"], abs=0.01)


def test_the_harmonic_mean_of_the_three(scores):
    assert scores["relative"]["h_o"] >= 0.88


def test_a_concept_that_its_own_word_generates_is_gone_too(host):
    """Refinement alone leaves most rabbits, because it does not touch the word itself."""
    scores = scores_of("rabbit", host, keep="cat", never_named="# none")  # only its own prompts are asked for
    assert scores["before"]["acc_e"] >= 0.8 and scores["after"]["acc_e"] <= 0.25
