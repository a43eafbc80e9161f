"""Training with less memory: equal gradients, a lower peak, and no leftovers in the network."""

from contextlib import contextmanager

import pytest
import torch

from dev.fullsize.measure import peak_allocated
from tests.host.families import TINY, tiny_model
from tests.host.test_attention import factors, gradients_of, loss_of

T = torch.tensor([400, 250])


@contextmanager
def in_training(comfy, model, low_memory, size=8):
    d = model.model.model_config.unet_config["context_dim"]
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        conditioning = [[torch.randn(1, 77, d, generator=generator), {"pooled_output": torch.ones(1, 64)}]]
        x_t = torch.randn(2, 4, size, size, generator=generator)
    attention_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), attention_model(model, conditioning, x_t, low_memory=low_memory) as unet:
        yield unet, x_t.clone(), conditioning[0][0].clone()


def gradients(comfy, model, low_memory):
    with in_training(comfy, model, low_memory) as (unet, x_t, context):
        lora = factors(unet.layers)
        loss = loss_of(unet.attention(x_t, T, context, lora))
        loss.backward()
    return loss.item(), gradients_of(lora)


@pytest.mark.parametrize(
    "name, stored, compute",
    [*((name, torch.float32, None) for name in TINY), ("sdxl", torch.float8_e4m3fn, torch.float32)],
)
def test_gradients_are_the_same_without_the_activations(comfy, name, stored, compute):
    model = tiny_model(name, stored, compute)
    loss, kept = gradients(comfy, model, low_memory=False)
    again_loss, again = gradients(comfy, model, low_memory=True)
    assert again_loss == pytest.approx(loss, rel=1e-4)
    for theirs, ours in zip(kept, again, strict=True):
        # the first pass runs without gradients, where a CPU can use other kernels: a few 1e-4 through the
        # whole network; a gradient that is missing or counted twice would be off by all of it
        assert theirs.any() and (ours - theirs).norm() <= 1e-3 * theirs.norm()
    assert not [module for module in model.model.modules() if "forward" in vars(module)]


def test_a_cancelled_step_leaves_the_network_its_own_methods(comfy):
    model = tiny_model("sdxl")
    with pytest.raises(KeyboardInterrupt), in_training(comfy, model, True) as (unet, x_t, context):
        unet.attention(x_t, T, context, factors(unet.layers))
        assert [module for module in model.model.modules() if "forward" in vars(module)]
        raise KeyboardInterrupt
    assert not [module for module in model.model.modules() if "forward" in vars(module)]


def peak(comfy, model, low_memory) -> float:
    with in_training(comfy, model, low_memory, size=32) as (unet, x_t, context):
        lora = factors(unet.layers)
        return peak_allocated(lambda: loss_of(unet.attention(x_t, T, context, lora)).backward())


def test_less_memory_is_held(comfy):
    model = tiny_model("sdxl")
    assert peak(comfy, model, low_memory=True) < 0.6 * peak(comfy, model, low_memory=False)


def test_the_device_decides(comfy, monkeypatch):
    """Activations are stored only where they fit beside the weights."""
    from comfy import model_management

    memory = comfy.module("nodes.host.memory")
    model = tiny_model("sdxl")
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    shape = [1, 4, 64, 64]
    needed = memory.training_memory(model, layers, shape, low_memory=False)
    assert needed > 2 * memory.training_memory(model, layers, shape, low_memory=True)
    room = needed / (1 - memory.IN_USE)
    for free, short in ((room * 1.01, False), (room * 0.99, True)):
        monkeypatch.setattr(model_management, "get_free_memory", lambda device, free=free: free)
        assert memory.is_short_of_memory(model, layers, shape) is short
