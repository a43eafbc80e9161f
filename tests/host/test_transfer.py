"""An erasure from one checkpoint, applied to another one with the same text encoder."""

import shutil
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch

from tests.host.exporting import Exporting
from tests.host.graphs import CLIP, apply, base, draw, stage_1
from tests.host.test_patches import LAYER, OTHER, weight_in_force
from tests.rounding import product


@pytest.fixture(scope="module")
def exporting(comfy) -> Exporting:
    return Exporting(comfy)


@pytest.fixture(scope="module")
def other(comfy, exporting):
    """A fine-tune from the stock loader: two projections differ, the text encoder is the same."""
    from comfy_extras.nodes_model_merging import CheckpointSave

    g = torch.Generator().manual_seed(7)
    lora = {}
    for layer in (LAYER, OTHER):
        o, d = exporting.layers[layer]
        lora |= {
            f"{layer}.lora_up.weight": torch.randn(o, 4, generator=g) / 4,
            f"{layer}.lora_down.weight": torch.randn(4, d, generator=g) / 4,
        }
    safetensors.torch.save_file(lora, comfy.base / "tune.safetensors")
    tuned = exporting.with_stock_lora(comfy.base / "tune.safetensors")
    with torch.inference_mode():
        CheckpointSave().save(tuned, exporting.clip, exporting.vae, "tuned")
    shutil.move(
        comfy.base / "output" / "tuned_00001_.safetensors",
        comfy.base / "models" / "checkpoints" / "tuned.safetensors",
    )
    model, clip, _ = comfy.call("CheckpointLoaderSimple", ckpt_name="tuned.safetensors")
    return SimpleNamespace(model=model, clip=clip)


def applied(comfy, caplog, model, erasure, clip):
    """The erased MODEL, and the node's message."""
    caplog.clear()
    with caplog.at_level("INFO"):
        (erased,) = comfy.call(
            "MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, clip=clip, mode="linear"
        )
    said = [record.getMessage() for record in caplog.records if "Apply erasure: " in record.getMessage()]
    assert len(said) == 1
    return erased, said[0]


@pytest.mark.parametrize("layer", [LAYER, OTHER])
def test_the_other_checkpoints_own_weights_are_multiplied(comfy, caplog, exporting, other, layer):
    W = weight_in_force(other.model, layer)
    assert not torch.equal(W, weight_in_force(exporting.model, layer))
    erased, said = applied(comfy, caplog, other.model, exporting.erasure, other.clip)
    edit = product(exporting.erasure.low_rank.to(torch.float64)[layer])
    expected = W.double() @ exporting.erasure.T.double() + edit
    torch.testing.assert_close(weight_in_force(erased, layer).double(), expected, atol=1e-5, rtol=1e-5)
    assert "Another checkpoint" in said and "closed-form part is exact" in said
    assert "not guaranteed" in said and "connect CLIP" not in said


def test_the_closed_form_made_there_is_the_same_to_the_bit(comfy, exporting, other):
    concepts = exporting.erasure.concepts
    _, there = comfy.call(
        "MACE_CrossAttnRefine",
        model=other.model,
        clip=other.clip,
        concepts=concepts,
        preserve_weight=1e-4,
        ridge=10.0,
    )
    assert torch.equal(there.T, exporting.erasure.T)
    assert there.text_encoder == exporting.erasure.text_encoder and there.base != exporting.erasure.base


def test_at_home_all_of_it_is_exact_and_a_lora_in_front_changes_nothing(comfy, caplog, exporting, other):
    users = exporting.with_stock_lora(comfy.base / "tune.safetensors")
    for model in (exporting.model, users):
        _, said = applied(comfy, caplog, model, exporting.erasure, None)
        assert "whole erasure is exact" in said and "connect CLIP" in said


def test_on_a_server_the_node_says_it(client):
    prompt = base() | stage_1() | apply("apply", ["refine", 1], clip=CLIP) | draw("out", ["apply", 0])
    assert client.run(prompt)["apply"]["text"] == [
        "Gated: prompts about other things do not change. "
        "Closed form only: exact on every checkpoint with the same text encoder."
    ]
