"""A concept is erased only once, regardless of later edits to the MODEL and of the spelling of its name."""

import re
import unicodedata

import pytest
import torch

from tests.host.graphs import CHECKPOINT

SPELLINGS = ["ship", "Ship", "SHIP", "the ship", " a  ship ", "\uff53\uff48\uff49\uff50"]


@pytest.fixture(scope="module")
def graph(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


def erasure_of(comfy, model, target: str, scale: float = 0.5):
    d = next(iter(comfy.module("nodes.host.patch").cross_attention_layers(model).values()))[1]
    concept = comfy.module("mace_core.concepts.concepts").Concept(target, "sea")
    module = comfy.module("mace_core.erasure.erasure")
    return module.Erasure(torch.eye(d) * scale, module.LowRank(), (concept,))


def erased(comfy, model, target: str, scale: float = 0.5):
    return comfy.module("nodes.host.patch").apply_erasure(model, erasure_of(comfy, model, target, scale))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_is_the_same_concept(comfy, graph, spelling):
    model = erased(comfy, graph[0], "ship")
    with pytest.raises(ValueError, match=re.escape(f"already erases '{spelling}'")):
        erased(comfy, model, spelling)


def test_letters_and_their_marks_in_one_or_apart(comfy, graph):
    name = "Caf\u00e9 owner"
    model = erased(comfy, graph[0], name)
    with pytest.raises(ValueError, match="already erases"):
        erased(comfy, model, unicodedata.normalize("NFD", name))


def test_another_concept_goes_through(comfy, graph):
    model = erased(comfy, graph[0], "ship")
    assert comfy.module("nodes.host.patch").erased_targets(erased(comfy, model, "shipyard")) == {
        "ship",
        "shipyard",
    }


def merged(kind: str, first, second):
    from comfy_extras.nodes_model_merging import ModelAdd, ModelMergeBlocks, ModelMergeSimple

    with torch.inference_mode():
        if kind == "simple":
            return ModelMergeSimple().merge(first, second, 0.5)[0]
        if kind == "blocks":
            return ModelMergeBlocks().merge(first, second, input=0.5, middle=0.5, out=0.5)[0]
        if kind == "add":
            return ModelAdd().merge(first, second)[0]
        return merged("simple", first, merged("simple", first, second))


@pytest.mark.parametrize("kind", ["simple", "blocks", "add", "twice"])
@pytest.mark.parametrize("side", [0, 1])
def test_beneath_a_merged_model(comfy, graph, kind, side):
    pair = [graph[0], graph[0]]
    pair[side] = erased(comfy, graph[0], "ship")
    model = merged(kind, *pair)
    with pytest.raises(ValueError, match="already erases 'Ship'"):
        erased(comfy, model, "Ship")
    with pytest.raises(ValueError, match="already erases 'ship'"):
        comfy.call(
            "MACE_DrawConcepts",
            model=model,
            clip=graph[1],
            vae=graph[2],
            images=1,
            steps=1,
            cfg=4.0,
            concepts=erasure_of(comfy, graph[0], "ship").concepts,
            seed=0,
            width=64,
            height=64,
        )


def test_a_merged_model_is_not_a_refined_one(comfy, graph):
    """Training cannot remove the refinement of a MODEL that was merged."""
    patch = comfy.module("nodes.host.patch")
    concepts = erasure_of(comfy, graph[0], "ship").concepts
    refined = erased(comfy, graph[0], "Ship")
    patch.require_refined(refined, concepts)
    with pytest.raises(ValueError, match="not refined for 'ship'"):
        patch.require_refined(merged("simple", graph[0], refined), concepts)


def test_training_takes_the_refinement_off_whatever_its_spelling(comfy, graph):
    store = comfy.module("nodes.host.stores")
    refined = erased(comfy, graph[0], "Ship")
    taken = store.without_refinement(refined, erasure_of(comfy, graph[0], "ship").concepts)
    assert not any(taken.patches.values())


def test_a_training_set_is_found_whatever_its_spelling(comfy):
    sets = comfy.module("nodes.work.training_set")
    images = sets.ConceptImages("the Ship", torch.zeros(1, 4, 8, 8))
    assert sets.images_of((images,), "ship") is images
    with pytest.raises(ValueError, match="Both training sets .*'ship'"):
        sets.join((images,), (sets.ConceptImages("ship", torch.zeros(1, 4, 8, 8)),))
