"""Erasures as patches: on top of LoRAs, with every dtype, and without changing the MODEL itself."""

import pytest
import safetensors.torch
import torch

from tests.host.graphs import CHECKPOINT

LAYER = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k"
OTHER = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v"


@pytest.fixture(scope="module")
def model(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[0]


@pytest.fixture(scope="module")
def erasure(comfy, model):
    """Some T, and low-rank factors on two layers."""
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    generator = torch.Generator().manual_seed(0)
    d = layers[LAYER][1]
    U = {name: torch.randn(layers[name][0], 2, generator=generator) for name in (LAYER, OTHER)}
    D = {name: torch.randn(2, d, generator=generator) / d for name in U}
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    T = torch.randn(d, d, generator=generator) / d
    factors = {name: (U[name], D[name]) for name in U}
    low_rank = comfy.module("mace_core.training.factors").LowRank(factors)
    return comfy.module("mace_core.erasure.erasure").Erasure(T, low_rank, (concept,))


def weight_in_force(model, layer: str) -> torch.Tensor:
    """The weight that the network computes with after the host has loaded the MODEL."""
    import comfy.model_management

    with torch.inference_mode():
        comfy.model_management.load_models_gpu([model], force_full_load=True)
        return model.model.get_submodule(layer).weight.detach().clone()


def lora(comfy, model, layer: str):
    """The MODEL with a stock LoRA file on one layer, from the stock loader; and the LoRA's delta."""
    o, d = weight_in_force(model, layer).shape
    up, down = torch.randn(o, 2) / 8, torch.randn(2, d) / 8
    folder = comfy.base / "models" / "loras"
    folder.mkdir(exist_ok=True)
    safetensors.torch.save_file(
        {f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down}, folder / "stock.safetensors"
    )
    (patched,) = comfy.call(
        "LoraLoaderModelOnly", model=model, lora_name="stock.safetensors", strength_model=1.0
    )
    return patched, up @ down


@pytest.mark.parametrize("layer", [LAYER, OTHER])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_edit_is_made_on_the_weight_with_the_lora(comfy, model, erasure, layer, strength):
    edited_weight = comfy.module("mace_core.erasure.erasure").edited_weight
    W = weight_in_force(model, layer)
    patched, delta = lora(comfy, model, layer)
    (erased,) = comfy.call(
        "MACE_ApplyErasedModel", model=patched, erasure=erasure, strength=strength, mode="linear"
    )
    expected = edited_weight(W + delta, layer, erasure, strength)
    torch.testing.assert_close(weight_in_force(erased, layer), expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(weight_in_force(model, layer), W)


def test_a_lora_after_the_node_is_added_to_the_edited_weight(comfy, model, erasure):
    W = weight_in_force(model, LAYER)
    (erased,) = comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, mode="linear")
    edited = weight_in_force(erased, LAYER)
    patched, delta = lora(comfy, erased, LAYER)
    torch.testing.assert_close(weight_in_force(patched, LAYER), edited + delta, atol=1e-6, rtol=1e-5)
    assert torch.equal(weight_in_force(model, LAYER), W)


def test_layers_without_factors_get_the_matrix_alone(comfy, model, erasure):
    layer = LAYER.replace("to_k", "to_v")
    W = weight_in_force(model, layer)
    (erased,) = comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, mode="linear")
    torch.testing.assert_close(weight_in_force(erased, layer), W @ erasure.T, atol=1e-6, rtol=1e-5)


def test_strength_0_is_a_clone_without_patches(comfy, model, erasure):
    (clone,) = comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=0.0)
    assert clone is not model and clone.patches == model.patches and clone.patches_uuid == model.patches_uuid


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_every_dtype_keep_it_and_come_back(comfy, erasure, dtype):
    model = loaded_as(dtype)
    W = weight_in_force(model, LAYER)
    (erased,) = comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, mode="linear")
    edited = weight_in_force(erased, LAYER)
    assert W.dtype == edited.dtype == dtype and not torch.equal(W.float(), edited.float())
    assert torch.equal(weight_in_force(model, LAYER).float(), W.float())


def loaded_as(dtype):
    import comfy.sd
    import folder_paths

    path = folder_paths.get_full_path_or_raise("checkpoints", CHECKPOINT)
    with torch.inference_mode():
        return comfy.sd.load_checkpoint_guess_config(
            path, output_clip=False, output_vae=False, model_options={"dtype": dtype}
        )[0]
