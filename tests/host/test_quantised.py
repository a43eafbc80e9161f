"""Quantised checkpoints: every stage computes with the values behind the storage format."""

import json

import pytest
import safetensors.torch
import torch

from tests.host.graphs import CHECKPOINT

FORMATS = (
    "float8_e4m3fn",
    "float8_e5m2",
    "mxfp8",
    "nvfp4",
    "int8_tensorwise",
    "convrot_w4a4",
    "asym_w4a8_int8",
)
# relative error of a weight stored in 8 or 4 bits
ROUNDING = {"float8_e5m2": 0.06, "nvfp4": 0.15, "convrot_w4a4": 0.2, "asym_w4a8_int8": 0.2}
GROUPS = {"convrot_w4a4": {"convrot_groupsize": 64}, "asym_w4a8_int8": {"convrot_groupsize": 64}}
FIRST = "input_blocks.1.1"  # left alone: the host reads the width of text embeddings here, even when packed
CONCEPT = {"concepts": "ship -> sea", "kind": "object"}
DRAWING = {"images": 1, "steps": 2, "cfg": 4.0, "width": 64, "height": 64}


def projections(weights):
    return [
        key
        for key in weights
        if ".attn2.to_" in key
        and key.endswith((".to_k.weight", ".to_v.weight"))
        and FIRST not in key
        and key.startswith("model.diffusion_model")
    ]


def quantised(weights, name: str) -> dict:
    """The checkpoint with its text projections in a format of newer hosts."""
    quant_ops = pytest.importorskip("comfy.quant_ops")
    if name not in quant_ops.QUANT_ALGOS or not hasattr(quant_ops.QuantizedTensor, "state_dict"):
        pytest.skip(f"this ComfyUI does not know {name}")
    layout = quant_ops.QUANT_ALGOS[name]["comfy_tensor_layout"]
    result = dict(weights)
    for key in projections(weights):
        tensor = quant_ops.QuantizedTensor.from_float(weights[key].float(), layout, **GROUPS.get(name, {}))
        result |= {each: part.contiguous() for each, part in tensor.state_dict(key).items()}
        told = json.dumps({"format": name, **GROUPS.get(name, {})}).encode()
        result[key.replace(".weight", ".comfy_quant")] = torch.tensor(list(told), dtype=torch.uint8)
    return result


def scaled(weights) -> dict:
    """The checkpoint in the older fp8 form, with a scale beside each weight."""
    fp8 = torch.float8_e4m3fn
    result = dict(weights) | {"model.diffusion_model.scaled_fp8": torch.zeros(1).to(fp8)}
    for key in [
        key
        for key in weights
        if key.startswith("model.diffusion_model") and weights[key].ndim == 2 and key.endswith(".weight")
    ]:
        factor = weights[key].float().abs().amax() / 448
        result[key] = (weights[key].float() / factor).to(fp8)
        result[key.replace(".weight", ".scale_weight")] = factor.reshape(1)
    return result


def told_by_metadata(weights) -> tuple[dict, dict]:
    """The first fp8 form with scales per layer: the file's metadata names the layers that have one."""
    import comfy.quant_ops

    whole_names = hasattr(comfy.quant_ops.QuantizedTensor, "state_dict")  # hosts look for different names
    result, layers = dict(weights), {}
    for key in projections(weights):
        factor = weights[key].float().abs().amax() / 448
        result[key] = (weights[key].float() / factor).to(torch.float8_e4m3fn)
        result[key.replace(".weight", ".weight_scale")] = factor
        layer = key.removesuffix(".weight")
        layer = layer if whole_names else layer.removeprefix("model.diffusion_model.")
        layers[layer] = {"format": "float8_e4m3fn"}
    return result, {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}


def skip_without_dequantisation(model, key):
    """The first hosts with this form multiply in fp8 when sampling in float32, as on a CPU, and fail."""
    from comfy.model_patcher import get_key_weight

    try:
        get_key_weight(model.model, key)[0].dequantize()
    except NotImplementedError:
        pytest.skip("this ComfyUI cannot sample with fp8 per layer on a CPU")


@pytest.fixture(scope="module", params=["scaled_fp8", "metadata", *FORMATS])
def graph(request, comfy):
    """MODEL, CLIP and VAE of a quantised file, and its original projections."""
    import folder_paths

    weights = safetensors.torch.load_file(folder_paths.get_full_path_or_raise("checkpoints", CHECKPOINT))
    name, metadata = request.param, None
    if name == "metadata":
        stored, metadata = told_by_metadata(weights)
    else:
        stored = scaled(weights) if name == "scaled_fp8" else quantised(weights, name)
    path = comfy.base / "models" / "checkpoints" / f"{name}.safetensors"
    safetensors.torch.save_file(stored, path, metadata)
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=path.name)
    exact = {key.removeprefix("model."): weights[key].float() for key in projections(weights)}
    if name == "metadata":
        skip_without_dequantisation(model, next(iter(exact)))
    return name, {"model": model, "clip": clip}, vae, exact


def close(ours, theirs, name: str) -> bool:
    return (ours - theirs).norm() <= ROUNDING.get(name, 0.04) * theirs.norm()


def test_weights_are_read_as_the_network_computes_with_them(comfy, graph):
    name, network, _, exact = graph
    weights = comfy.module("nodes.host.weights")
    layers = comfy.module("nodes.host.patch").cross_attention_layers(network["model"])
    for key, W in exact.items():
        read = weights.weight_in_force(network["model"], key)
        assert read.dtype == torch.float32 and close(read, W, name), key
        assert layers[key.removesuffix(".weight")] == tuple(W.shape)
    assert comfy.module("nodes.host.fingerprints").model_fingerprint(network["model"])


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_all_stages_undo_and_export(comfy, graph, method):
    name, network, vae, exact = graph
    (concepts,) = comfy.call("MACE_EraseConcepts", **CONCEPT)
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", **network, concepts=concepts)
    drawn, pictures = comfy.call(
        "MACE_DrawConcepts", **network, vae=vae, concepts=concepts, seed=0, **DRAWING
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="whole image")
    loras, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=network["clip"],
        concepts=concepts,
        training_set=masked,
        steps=2,
        learning_rate=1e-2,
        seed=0,
        method=method,
    )
    (fused,) = comfy.call("MACE_FuseLoRAs", clip=network["clip"], refined=stage_1, concept_loras=loras)
    (erased,) = comfy.call(
        "MACE_ApplyErasedModel", model=network["model"], erasure=fused, strength=1.0, mode="linear"
    )
    _, again = comfy.call("MACE_DrawConcepts", **network, vae=vae, concepts=concepts, seed=1, **DRAWING)
    weights = comfy.module("nodes.host.weights")
    edited = comfy.module("mace_core.erasure.erasure").edited_weight
    for key, W in list(exact.items())[:2]:
        expected = edited(W, key.removesuffix(".weight"), fused)
        assert close(weights.weight_in_force(erased, key), expected, name)
        assert torch.equal(
            weights.weight_in_force(network["model"], key), weights.plain_weight(network["model"], key)
        )
    assert pictures.isfinite().all() and again.isfinite().all()
    assert torch.tensor(loss["loss"]).isfinite().all()
    saved, *_ = comfy.call(
        "MACE_ExportErasure",
        model=network["model"],
        erasure=fused,
        format="LoRA",
        rank=4,
        name=f"{name}_{method}",
        precision="float16",
    )
    assert saved
