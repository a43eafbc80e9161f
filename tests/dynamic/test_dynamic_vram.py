"""Sampling, undo, maps and gradients with dynamic VRAM match those of the host's static patcher."""

from contextlib import contextmanager

import pytest
import torch

from tests.dynamic.conftest import DYNAMIC, STATIC, load
from tests.host.calls import latents
from tests.host.test_attention import factors, gradients_of, loss_of

T = torch.tensor([400])
PATCHERS = (STATIC, DYNAMIC)


@pytest.fixture(scope="module")
def same(comfy, dynamic):
    """Both patchers with weights of one dtype, where results are bit-identical."""
    return load(comfy, dynamic)


@pytest.fixture(scope="module")
def erasure(comfy, same):
    """T far from the identity, and low-rank factors on every layer."""
    layers = comfy.module("nodes.host.patch").cross_attention_layers(same.models[STATIC])
    lora = {name: (U.detach(), D.detach()) for name, (U, D) in factors(layers).items()}
    d = next(iter(layers.values()))[1]
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    T = torch.eye(d) + torch.randn(d, d, generator=torch.Generator().manual_seed(0)) / d
    return comfy.module("mace_core.erasure.erasure").Erasure(
        T, comfy.module("mace_core.training.factors").LowRank(lora), (concept,)
    )


def drawn(comfy, loaded, model) -> torch.Tensor:
    return latents(comfy, model, loaded.clip)


def erased(comfy, model, erasure):
    return comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, mode="linear")[0]


def with_lora(model):
    """A clone that carries a stock LoRA on one projection."""
    from comfy.weight_adapter import LoRAAdapter

    clone, generator = model.clone(), torch.Generator().manual_seed(1)
    key = next(key for key in model.model.state_dict() if key.endswith("attn2.to_v.weight"))
    o, d = model.model.state_dict()[key].shape
    up, down = torch.randn(o, 2, generator=generator), torch.randn(2, d, generator=generator) / d
    assert clone.add_patches({key: LoRAAdapter(set(), (up, down, 2.0, None, None, None))}, 1.0)
    return clone


def test_pictures_are_those_of_the_static_patcher_and_undo_is_exact(comfy, same, erasure):
    before = {name: drawn(comfy, same, same.models[name]) for name in PATCHERS}
    after = {name: drawn(comfy, same, erased(comfy, same.models[name], erasure)) for name in PATCHERS}
    lora = {
        name: drawn(comfy, same, erased(comfy, with_lora(same.models[name]), erasure)) for name in PATCHERS
    }
    again = {name: drawn(comfy, same, same.models[name]) for name in PATCHERS}
    for pictures in (before, after, lora):
        assert torch.equal(pictures[DYNAMIC], pictures[STATIC])
    assert not torch.equal(after[STATIC], before[STATIC]) and not torch.equal(lora[STATIC], after[STATIC])
    assert torch.equal(again[DYNAMIC], before[DYNAMIC])


@contextmanager
def attention(comfy, loaded, model, training):
    (ship,) = comfy.call("CLIPTextEncode", clip=loaded.clip, text="a photo of a ship")
    with torch.inference_mode():
        latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    open_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), open_model(model, ship, latents, training) as unet:
        yield unet, ship[0][0].clone(), latents.clone()


def maps(comfy, loaded, model, erasure):
    with attention(comfy, loaded, erased(comfy, model, erasure), training=False) as (unet, context, x_t):
        return unet.attention(x_t, T, context, {})


def gradients(comfy, loaded, model):
    with attention(comfy, loaded, model, training=True) as (unet, context, x_t):
        lora = factors(unet.layers)
        loss = loss_of(unet.attention(x_t, T, context, lora))
        loss.backward()
    return loss.item(), gradients_of(lora)


def test_maps_are_those_of_the_static_patcher(comfy, loaded, erasure):
    static, dynamic = (maps(comfy, loaded, loaded.models[name], erasure) for name in PATCHERS)
    for ours, theirs in zip(dynamic, static, strict=True):
        assert (ours - theirs).norm() <= (1e-2 if loaded.half else 1e-5) * theirs.norm()


@pytest.mark.parametrize("before", ["drawing", "drawing with a LoRA"])
def test_gradients_are_those_of_the_static_patcher(comfy, loaded, before):
    """Sampling comes first, because the host then holds copies of the weights made in inference mode."""
    results = {}
    for name in PATCHERS:
        model = loaded.models[name] if before == "drawing" else with_lora(loaded.models[name])
        drawn(comfy, loaded, model)
        results[name] = gradients(comfy, loaded, model)
    (loss, ours), (expected, theirs) = results[DYNAMIC], results[STATIC]
    assert loss == pytest.approx(expected, rel=1e-3 if loaded.half else 1e-6)
    for a, b in zip(ours, theirs, strict=True):
        assert b.any() and (a - b).norm() <= (0.02 if loaded.half else 1e-5) * b.norm()


def test_the_host_gets_its_own_weights_and_copies_back(comfy, same):
    model = same.models[DYNAMIC]
    before = drawn(comfy, same, model)
    network = model.model

    def dynamic_modules():
        return {
            name: (id(module._v), id(module.weight))
            for name, module in network.named_modules()
            if hasattr(module, "_v")
        }

    owned = dynamic_modules()
    gradients(comfy, same, model)
    assert owned and dynamic_modules() == owned
    assert torch.equal(drawn(comfy, same, model), before)
