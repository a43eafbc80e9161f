"""Files from an earlier version can still be read: saved workflows, an erasure, and the cache of each step.

tests/host/kept was written by the version before the rooms were moved (November 2026).
"""

import json
import shutil
from pathlib import Path

import pytest

from dev.workflows.schema import inputs
from tests.host.calls import small_graph

KEPT = Path(__file__).with_name("kept")
TARGET = "ship (boat) -> sea"


def test_saved_workflows_find_their_nodes_and_widgets(object_info):
    """New inputs come last; otherwise the saved values of a workflow would move to other widgets."""
    for name, theirs in json.loads((KEPT / "nodes.json").read_text()).items():
        ours = [[each.name, each.type] for each in inputs(object_info[name])]
        assert ours[: len(theirs["inputs"])] == theirs["inputs"], name
        assert object_info[name]["output"][: len(theirs["outputs"])] == theirs["outputs"], name


@pytest.fixture
def folder(comfy, monkeypatch, tmp_path):
    """A copy of tests/host/kept/mace in place of models/mace."""
    import folder_paths

    folder = shutil.copytree(KEPT / "mace", tmp_path / "mace")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(folder)], {".safetensors"}))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return folder


def test_an_erasure(comfy, folder):
    (erasure,) = comfy.call("MACE_LoadErasure", name="kept_00001.safetensors")
    assert [(each.target, each.surrogate, each.synonyms) for each in erasure.concepts] == [
        ("ship", "sea", ("boat",))
    ]
    graph = small_graph(comfy)
    comfy.call("MACE_ApplyErasedModel", model=graph.model, erasure=erasure, strength=1.0, clip=graph.clip)


def test_kept_results_are_found(comfy, folder, monkeypatch):
    """Nothing is generated or encoded again. LoRAs are: the fast trainer has changed since."""
    for place in _KEEPS:
        monkeypatch.setattr(comfy.module(f"nodes.{place}"), _KEEPS[place], refuse)
    graph = small_graph(comfy)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts=TARGET, kind="object")
    network = {"clip": graph.clip, "concepts": concepts}
    captions = "a photo of a cat\na photo of a dog"
    (prior,) = comfy.call("MACE_PreservePrior", clip=graph.clip, captions=captions, weight=1.0)
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", model=graph.model, **network, prior=prior)
    drawing = {"images": 1, "steps": 2, "cfg": 4.0, "seed": 0, "width": 64, "height": 64}
    drawn, _ = comfy.call("MACE_DrawConcepts", model=graph.model, vae=graph.vae, **network, **drawing)
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="whole image")
    settings = {"steps": 1, "learning_rate": 1e-2, "seed": 0, "method": "fast"}
    loras, _ = comfy.call(
        "MACE_TrainConceptLoRA", refined=refined, training_set=masked, **network, **settings
    )
    (fused,) = comfy.call(
        "MACE_FuseLoRAs", clip=graph.clip, refined=stage_1, concept_loras=loras, prior=prior
    )
    (saved,) = comfy.call("MACE_LoadErasure", name="kept_00001.safetensors")
    # T is solved again, and this CPU can round differently
    assert (fused.T - saved.T).norm() < 1e-4 * saved.T.norm()
    assert fused.low_rank.keys() == saved.low_rank.keys()


_KEEPS = {"work.drawing": "keep", "work.priors": "keep"}


def refuse(*_, **__):
    raise AssertionError("computed again although it was cached")
