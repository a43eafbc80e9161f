"""Gradients inside the host: maps and gradients match those of a LoRA merged into the weights."""

import copy
from contextlib import contextmanager

import pytest
import torch

from tests.host.graphs import CHECKPOINT

T = torch.tensor([400])


@pytest.fixture(scope="module")
def sd1(comfy):
    """MODEL, CONDITIONING and latents, all created in inference mode, as the executor does."""
    model, clip, _ = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (conditioning,) = comfy.call("CLIPTextEncode", clip=clip, text="a photo of a ship")
    with torch.inference_mode():
        return model, conditioning, torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def sdxl(comfy):
    """A small SDXL: several transformer blocks in a row, and pooled text in addition to the context."""
    from comfy.model_base import SDXL
    from comfy.model_patcher import ModelPatcher
    from comfy.supported_models import SDXL as Config

    config = Config(
        {
            "image_size": 32,
            "in_channels": 4,
            "out_channels": 4,
            "model_channels": 32,
            "channel_mult": (1, 2),
            "num_res_blocks": [1, 1],
            "transformer_depth": [0, 2],
            "transformer_depth_middle": 3,
            "transformer_depth_output": [0, 0, 2, 2],
            "context_dim": 128,
            "num_head_channels": 16,
            "num_heads": -1,
            "adm_in_channels": 2816,
            "num_classes": "sequential",
            "use_spatial_transformer": True,
            "use_linear_in_transformer": True,
            "dtype": torch.float32,
        }
    )
    with torch.inference_mode():
        generator = torch.Generator().manual_seed(0)
        network = SDXL(config, device="cpu")
        for parameter in network.parameters():
            spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
        model = ModelPatcher(network, torch.device("cpu"), torch.device("cpu"))
        context = torch.randn(1, 77, 128, generator=generator)
        conditioning = [[context, {"pooled_output": torch.randn(1, 1280, generator=generator)}]]
        return model, conditioning, torch.randn(1, 4, 8, 8, generator=generator)


@pytest.fixture(params=["sd1", "sdxl"])
def family(request):
    return request.getfixturevalue(request.param)


def factors(layers, rank=2):
    """Layer -> (U, D), which require gradients."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: tuple(
            (torch.randn(shape, generator=generator) * 0.1).requires_grad_()
            for shape in ((o, rank), (rank, d))
        )
        for name, (o, d) in layers.items()
    }


def gradients_of(lora) -> list:
    """The gradients of all factors except those of the last layer, which has none."""
    return [factor.grad for both in list(lora.values())[:-1] for factor in both]


def loss_of(maps):
    return sum((A[..., 5].square() * torch.linspace(0, 1, A.shape[2])).sum() for A in maps)


@contextmanager
def in_the_host(comfy, family, training=True):
    model, conditioning, latents = family
    module = comfy.module("nodes.host.attention")
    with torch.inference_mode(), module.attention_model(model, conditioning, latents, training) as unet:
        yield unet, conditioning[0][0].clone(), latents.clone()


def reference(family, x_t, context, lora):
    """Runs a copy of the network with W + U D as weights; maps come from the outputs of to_q and to_k."""
    model, conditioning, latents = family
    network = copy.deepcopy(model.model.diffusion_model)
    weights = {name: p.clone() for name, p in network.named_parameters()}
    for name, (U, D) in lora.items():
        key = f"{name.removeprefix('diffusion_model.')}.weight"
        weights[key] = weights[key] + U @ D
    seen = {}
    for name, module in network.named_modules():
        if name.endswith((".attn2.to_q", ".attn2.to_k")):
            module.register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, out))
    sigma = model.model.model_sampling.sigmas[T].clone()
    x = model.model.model_sampling.calculate_input(sigma, x_t)
    extra = model.model.extra_conds(**conditioning[0][1], noise=latents, device="cpu", width=64, height=64)
    y = {"y": extra["y"].cond.clone()} if "y" in extra else {}
    torch.func.functional_call(network, weights, (x, T.float()), {"context": context, **y})
    return [attention(network, name, seen) for name in seen if name.endswith("to_q")]


def attention(network, name, seen):
    block = network.get_submodule(name.rpartition(".attn2")[0])
    q, k = (seen[each].unflatten(-1, (block.n_heads, -1)).transpose(1, 2) for each in (name, f"{name[:-1]}k"))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


def test_maps_and_gradients_equal_a_lora_on_the_weights(comfy, family):
    with in_the_host(comfy, family) as (unet, context, x_t):
        lora, same = factors(unet.layers), factors(unet.layers)
        maps = unet.attention(x_t, T, context, lora)
        loss_of(maps).backward()
        expected = reference(family, x_t, context, same)
        loss_of(expected).backward()
    assert len(maps) == len(expected) == len(unet.layers) // 2
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    last = list(unet.layers)[-1]
    assert last.endswith("to_v") and lora[last][0].grad is None and same[last][0].grad is None
    for ours, theirs in zip(gradients_of(lora), gradients_of(same), strict=True):
        # float32 through a trained network: two orders of summation differ by a few 1e-4
        assert (ours - theirs).norm() <= 1e-3 * theirs.norm() + 1e-8


def test_the_network_gets_its_own_parameters_back_whatever_happens(comfy, family):
    network = family[0].model
    before = {name: (id(p), p.data_ptr(), p.clone()) for name, p in network.named_parameters()}
    with pytest.raises(KeyboardInterrupt), in_the_host(comfy, family) as (unet, context, x_t):
        unet.attention(x_t, T, context, factors(unet.layers))
        assert not any(id(p) == before[name][0] for name, p in network.named_parameters())
        raise KeyboardInterrupt
    for name, parameter in network.named_parameters():
        assert (id(parameter), parameter.data_ptr()) == before[name][:2]
        assert torch.equal(parameter, before[name][2])
    assert not family[0].model_options["transformer_options"]


def test_noise_is_the_hosts_own_schedule(comfy, sd1):
    sigma = sd1[0].model.model_sampling.sigmas[T]
    with in_the_host(comfy, sd1, training=False) as (unet, _, latents):
        eps = torch.randn_like(latents)
        assert torch.allclose(unet.noise(latents, T, eps), latents + sigma * eps)
        assert torch.allclose(unet.scaled(latents), latents * 0.18215)


def test_a_lora_the_model_carries_is_seen(comfy, family):
    """A MODEL with a LoRA patch has the same maps as the original with that LoRA on activations."""
    model, *rest = family
    with in_the_host(comfy, family) as (unet, context, x_t):
        lora = factors(unet.layers)
        expected = [maps.detach() for maps in unet.attention(x_t, T, context, lora)]
    patched, deltas = model.clone(), {f"{name}.weight": ((U @ D).detach(),) for name, (U, D) in lora.items()}
    assert len(patched.add_patches(deltas, 1.0)) == len(lora)
    with in_the_host(comfy, (patched, *rest)) as (unet, context, x_t):
        plain = unet.attention(x_t, T, context, {})
    for ours, theirs in zip(plain, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_training_works_on_weights_of_less_precision(comfy, sd1, dtype):
    import folder_paths
    from comfy.sd import load_checkpoint_guess_config

    path = folder_paths.get_full_path_or_raise("checkpoints", CHECKPOINT)
    with torch.inference_mode():
        model = load_checkpoint_guess_config(
            path, output_clip=False, output_vae=False, model_options={"dtype": dtype}
        )[0]
    losses = []
    for family in (sd1, (model, *sd1[1:])):
        with in_the_host(comfy, family) as (unet, context, x_t):
            lora = factors(unet.layers)
            loss = loss_of(unet.attention(x_t, T, context, lora))
            loss.backward()
            losses.append(loss.item())
            assert all(gradient.isfinite().all() for gradient in gradients_of(lora))
    assert losses[1] == pytest.approx(losses[0], rel=0.5 if dtype == torch.float8_e4m3fn else 0.02)
