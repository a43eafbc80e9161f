"""The erased weight on a GPU matches float64 on the CPU, however the host moves it there."""

import pytest
import torch

from dev.host.card import DEVICE, FAMILIES
from tests.cuda.models import network
from tests.rounding import product

STRENGTH = 0.75


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request, comfy):
    return network(comfy, request.param)


@pytest.fixture(scope="module")
def layers(comfy, loaded) -> dict:
    return comfy.module("nodes.host.patch").cross_attention_layers(loaded.model)


@pytest.fixture(scope="module")
def erasure(comfy, layers):
    """Some T near the identity, and low-rank factors on every second layer."""
    generator = torch.Generator().manual_seed(0)
    d = next(iter(layers.values()))[1]

    def noise(*shape):
        return torch.randn(shape, generator=generator) / d**0.5

    edited = list(layers)[::2]
    factors = {name: (noise(layers[name][0], 2), noise(2, d)) for name in edited}
    low_rank = comfy.module("mace_core.training.factors").LowRank(factors)
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    return comfy.module("mace_core.erasure.erasure").Erasure(
        torch.eye(d) + noise(d, d) / 8, low_rank, (concept,)
    )


def expected(erasure, layer, W, strength):
    """The edited weight in float64 on the CPU, from W in float64."""
    edited = W @ erasure.T.double()
    if layer in erasure.low_rank:
        edited = edited + product(erasure.low_rank.to(torch.float64)[layer])
    return W + strength * (edited - W)


def off(ours, wanted) -> float:
    return ((ours.double().cpu() - wanted).norm() / wanted.norm()).item()


def adapters_of(comfy, erasure, layer, device):
    """The adapter, and the adapter that a host rebuilds after moving its tensors to the device."""
    adapter = comfy.module("nodes.host.patch").ErasurePatch.of(erasure, layer)
    brought = tuple(each.to(device) if torch.is_tensor(each) else each for each in adapter.weights)
    return adapter, type(adapter)(adapter.loaded_keys, brought)


def test_the_adapter_and_a_rebuilt_one(comfy, loaded, layers, erasure):
    device = torch.device(DEVICE)
    for layer in list(layers)[:2]:
        W = torch.randn(layers[layer], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        for dtype in (torch.float32, torch.float16):
            first, again = (
                adapter.calculate_weight(W.to(device, dtype), layer, STRENGTH, 1.0, None, None)
                for adapter in adapters_of(comfy, erasure, layer, device)
            )
            assert torch.equal(first, again) and first.device.type == DEVICE and first.dtype == dtype
            # float32 sums of hundreds of terms (a GPU may use only 19 bits), then one rounding to dtype
            assert off(first, expected(erasure, layer, W.to(dtype).double(), STRENGTH)) < 2e-3


def test_T_is_on_the_card_once(comfy, layers, erasure):
    patch = comfy.module("nodes.host.patch")
    device = torch.device(DEVICE)
    assert patch.T_on(erasure, device) is patch.T_on(erasure, device)


def computed(model, layer: str, context) -> torch.Tensor:
    """The input and output of the layer in one pass of the network, driven by the host's sampler."""
    import comfy.model_management as management

    seen = {}
    with torch.inference_mode():
        management.load_models_gpu([model], force_full_load=False)
        module = model.model.get_submodule(layer)
        hook = module.register_forward_hook(
            lambda _module, given, made: seen.update(given=given[0], made=made)
        )
        try:
            sampled(model, context)
        finally:
            hook.remove()
    return seen["given"].double().cpu(), seen["made"].double().cpu()


def sampled(model, context) -> torch.Tensor:
    """The latents after two steps of the host's sampler."""
    import comfy.sample

    empty = torch.zeros(1, 4, 16, 16)
    conditioning = [[context, {"pooled_output": torch.ones(1, 1280)}]]
    noise = comfy.sample.prepare_noise(empty, 0)
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            noise,
            2,
            4.0,
            "euler",
            "normal",
            conditioning,
            conditioning,
            empty,
            disable_pbar=True,
            seed=0,
        )


def test_a_pass_computes_with_the_erased_weight_and_undo_with_the_old_one(comfy, loaded, layers, erasure):
    """Original, erased and original again, both static and with the host's dynamic VRAM."""
    layer = list(layers)[0]
    weights = comfy.module("nodes.host.weights")
    W = weights.plain_weight(loaded.model, f"{layer}.weight").double()
    context = torch.randn(1, 77, layers[layer][1], generator=torch.Generator().manual_seed(2))
    erased = comfy.module("nodes.host.patch").apply_erasure(loaded.model, erasure)
    before, first = computed(loaded.model, layer, context)
    assert off(first, before @ W.mT) < 5e-3  # half precision has 11 bits in each factor and in the result
    given, made = computed(erased, layer, context)
    assert off(made, given @ expected(erasure, layer, W, 1.0).mT) < 5e-3
    assert off(made, given @ W.mT) > 0.05  # and not with the original weight
    again, last = computed(loaded.model, layer, context)
    assert torch.equal(again, before) and torch.equal(last, first)  # same kernels, same weights
    assert torch.equal(weights.plain_weight(loaded.model, f"{layer}.weight").double(), W)


def test_a_dynamic_model_draws_what_a_static_one_draws(comfy, dynamic, loaded, layers, erasure):
    """Each patcher has its own network, because two patchers must not share one."""
    if not dynamic:
        pytest.skip("this host has no dynamic VRAM on this device")
    from comfy.model_patcher import ModelPatcher

    apply = comfy.module("nodes.host.patch").apply_erasure
    context = torch.randn(1, 77, next(iter(layers.values()))[1], generator=torch.Generator().manual_seed(3))
    drawn = sampled(apply(loaded.model, erasure), context)
    other = network(comfy, loaded.name).model
    static = ModelPatcher(other.model, other.load_device, other.offload_device)
    assert off(drawn, sampled(apply(static, erasure), context).double()) < 5e-3
