"""SD1, SD2 and SDXL, including inpainting, through one code path; other families are refused by name."""

import pytest
import torch

from dev.fullsize.families import FAMILIES, network
from tests.core.properties import CHECKS
from tests.host.families import TINY, tiny_clip, tiny_model
from tests.host.graphs import CHECKPOINT
from tests.host.test_patches import weight_in_force

FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
ENCODERS = pytest.mark.parametrize("name", ["sd21", "sdxl"])


@FAMILY
def test_every_projection_of_every_family_is_found(comfy, family):
    model = on_meta(network(family, torch.float16, device="meta"))
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    assert {d for _, d in layers.values()} == {family.d}
    widths = [o for o, _ in layers.values()]
    assert {width: widths.count(width) for width in family.widths} == family.widths
    assert len(layers) == sum(family.widths.values())


def on_meta(model):
    from comfy.model_patcher import ModelPatcher

    return ModelPatcher(model, torch.device("meta"), torch.device("meta"))


OTHERS = {
    "Flux": (
        "Flux",
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "vec_in_dim": 8,
            "context_in_dim": 16,
            "hidden_size": 32,
            "mlp_ratio": 2.0,
            "num_heads": 2,
            "depth": 1,
            "depth_single_blocks": 1,
            "axes_dim": [4, 6, 6],
            "theta": 100,
            "patch_size": 2,
            "qkv_bias": True,
            "guidance_embed": False,
        },
    ),
    "SD3": (
        "SD3",
        {
            "in_channels": 16,
            "patch_size": 2,
            "depth": 1,
            "input_size": 8,
            "adm_in_channels": 8,
            "pos_embed_scaling_factor": None,
            "context_embedder_config": None,
        },
    ),
    "LTXV": (
        "LTXV",
        {
            "image_model": "ltxv",
            "in_channels": 8,
            "cross_attention_dim": 16,
            "num_layers": 1,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "caption_channels": 16,
        },
    ),
    "SVD img2vid": (
        "SVD_img2vid",
        {
            **FAMILIES["sd21"].unet,
            "in_channels": 8,
            "adm_in_channels": 768,
            "num_classes": "sequential",
            "transformer_depth": [1] * 6 + [0] * 2,
            "use_temporal_attention": True,
            "use_temporal_resblock": True,
            "extra_ff_mix_layer": True,
            "use_spatial_context": True,
            "merge_strategy": "learned_with_images",
            "merge_factor": 0.0,
            "video_kernel_size": [3, 1, 1],
        },
    ),
}


def known_to_the_host(name: str, config: dict) -> dict:
    """Adds a field that newer hosts require and older hosts refuse."""
    from comfy.ldm.flux.model import FluxParams

    asks = name == "Flux" and "txt_ids_dims" in FluxParams.__dataclass_fields__
    return config | ({"txt_ids_dims": []} if asks else {})


@pytest.mark.parametrize("name", OTHERS)
def test_other_families_are_refused_by_name(comfy, name):
    from comfy import supported_models

    config_class, config = OTHERS[name]
    config = known_to_the_host(name, config) | {"dtype": torch.float16}
    config = getattr(supported_models, config_class)(config)
    model = on_meta(config.get_model({}, device="meta"))
    with pytest.raises(ValueError, match=f"^This MODEL is {name}"):
        comfy.module("nodes.host.patch").cross_attention_layers(model)


@pytest.fixture(scope="module", params=["sd21", "sdxl"])
def encoder(request, comfy):
    return comfy.module("nodes.host.text_encoder").HostTextEncoder(tiny_clip(request.param))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_properties_of_the_mathematics_with_the_other_text_encoders(encoder, check):
    check(encoder)


@ENCODERS
def test_embeddings_are_those_the_sampler_gets(comfy, name):
    """All prompts in one call, with the U-Net's context width and the family's padding."""
    clip, prompts = tiny_clip(name), ["a photo of a ship", "", "a man in a boat on the sea"]
    encoded = comfy.module("nodes.host.text_encoder").HostTextEncoder(clip).encode(prompts)
    assert encoded.embeddings.shape == (3, 77, TINY[name][1]["context_dim"])
    for row, prompt in enumerate(prompts):
        (conditioning,) = comfy.call("CLIPTextEncode", clip=clip, text=prompt)
        torch.testing.assert_close(encoded.embeddings[row], conditioning[0][0][0], atol=1e-5, rtol=1e-4)
    assert encoded.tokens[1].tolist() == [49406, 49407] + [0 if name == "sd21" else 49407] * 75


@pytest.mark.parametrize("name", ["sd15", "sd21", "sdxl", "sd15 inpainting"])
def test_noised_inputs_and_timesteps_are_the_hosts_own(comfy, name):
    """At timestep t, the network gets the same input in training as when the host samples."""
    from comfy.model_base import ModelType
    from comfy.sample import sample_custom
    from comfy.samplers import ksampler

    model, t = tiny_model(name), 321
    assert (model.model.model_type == ModelType.V_PREDICTION) == (name == "sd21")
    d, shape = TINY[name][1]["context_dim"], (1, 4, 8, 8)
    with torch.inference_mode():
        conditioning = [[torch.randn(1, 77, d), {"pooled_output": torch.randn(1, 64)}]]
        latents, eps = torch.randn(shape), torch.randn(shape)
    read = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, inputs: read.append((inputs[0].clone(), inputs[1].clone()))
    )
    try:
        attention_model = comfy.module("nodes.host.attention").attention_model
        with torch.inference_mode(), attention_model(model, conditioning, latents, training=False) as unet:
            x_t = unet.noise(unet.scaled(latents.clone()), torch.tensor([t]), eps.clone())
            unet.attention(x_t, torch.tensor([t]), conditioning[0][0].clone(), {})
        sigmas = torch.tensor([model.model.model_sampling.sigmas[t], 0.0])
        with torch.inference_mode():
            sample_custom(
                model,
                eps,
                1.0,
                ksampler("euler"),
                sigmas,
                conditioning,
                conditioning,
                latents,
                disable_pbar=True,
            )
    finally:
        hook.remove()
    (ours, our_t), (theirs, their_t) = read
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert our_t.tolist() == their_t.tolist() == [t]


def test_another_schedule_on_the_model_is_the_one_trained_with(comfy):
    """With zero terminal SNR, the last timestep is pure noise."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    (model,) = ModelSamplingDiscrete().patch(tiny_model("sdxl"), "v_prediction", zsnr=True)
    with torch.inference_mode():
        conditioning = [[torch.zeros(1, 77, 128), {"pooled_output": torch.zeros(1, 64)}]]
        latents = torch.randn(1, 4, 8, 8)
    attention_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), attention_model(model, conditioning, latents, training=False) as unet:
        plain, shifted = (
            each.get_model_object("model_sampling").sigmas[999] for each in (tiny_model("sdxl"), model)
        )
        eps = torch.ones(1, 4, 8, 8)
        noised = unet.noise(torch.zeros(1, 4, 8, 8), torch.tensor([999]), eps)
    assert shifted > 100 * plain
    torch.testing.assert_close(noised, eps * shifted)


@pytest.mark.parametrize("name", TINY)
def test_all_three_stages(comfy, name):
    """Through the nodes, on a MODEL that carries a LoRA; the final weight is W T + U D."""
    model, clip = tiny_model(name), tiny_clip(name)
    vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[2]
    layer = next(iter(comfy.module("nodes.host.patch").cross_attention_layers(model)))
    delta = torch.randn(weight_in_force(model, layer).shape) / 100
    model = model.clone()
    model.add_patches({f"{layer}.weight": (delta,)}, 1.0)
    W = weight_in_force(model, layer)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship (boat) -> sea", kind="object")
    network = {"model": model, "clip": clip, "concepts": concepts}
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", **network)
    drawn, images = comfy.call(
        "MACE_DrawConcepts", **network, vae=vae, images=1, steps=1, cfg=2.0, seed=0, width=64, height=64
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    loras, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=2,
        learning_rate=1e-2,
        seed=0,
        method="exact",
    )
    (fused,) = comfy.call("MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras)
    (erased,) = comfy.call(
        "MACE_ApplyErasedModel", model=model, erasure=fused, strength=1.0, clip=clip, mode="linear"
    )
    assert images.isfinite().all() and len(loss["loss"]) >= 2
    assert fused.low_rank[layer][0].any() and fused.low_rank[layer][1].any()
    expected = W @ fused.T + fused.low_rank[layer][0] @ fused.low_rank[layer][1]
    torch.testing.assert_close(weight_in_force(erased, layer), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(expected, W, atol=1e-3)
