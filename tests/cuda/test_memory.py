"""Less memory on a GPU: recomputed activations, and the response to running out of memory."""

import pytest
import torch

from dev.host.card import DEVICE, FAMILIES
from tests.cuda.models import network

T = torch.tensor([400])


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request, comfy):
    return network(comfy, request.param)


def trained(comfy, loaded, low_memory):
    """The loss, all gradients on the CPU, and torch's peak memory in bytes."""
    side = loaded.side // 8
    generator = torch.Generator().manual_seed(0)
    attention = comfy.module("nodes.host.attention")
    layers = comfy.module("nodes.host.patch").cross_attention_layers(loaded.model)
    d = next(iter(layers.values()))[1]
    context, x_t = (torch.randn(shape, generator=generator) for shape in ((1, 77, d), (1, 4, side, side)))
    factors = {
        name: (torch.randn(o, 1, generator=generator) / o, torch.randn(1, d, generator=generator) / d)
        for name, (o, d) in layers.items()
    }
    conditioning = [[context, {"pooled_output": torch.ones(1, 1280)}]]
    with (
        torch.inference_mode(),
        attention.attention_model(loaded.model, conditioning, x_t, low_memory=low_memory) as unet,
    ):
        lora = {
            name: tuple(factor.clone().to(unet.device).requires_grad_() for factor in both)
            for name, both in factors.items()
        }
        if DEVICE != "cpu":
            torch.cuda.reset_peak_memory_stats()
        maps = unet.attention(x_t.clone(), T, context.clone(), lora)
        loss = sum(each.float()[..., 1:4].square().mean() for each in maps)
        loss.backward()
    gradients = [
        factor.grad.float().cpu() for both in lora.values() for factor in both if factor.grad is not None
    ]
    peak = 0 if DEVICE == "cpu" else torch.cuda.max_memory_allocated()
    return loss.item(), gradients, peak


def test_gradients_are_the_same_with_less_memory(comfy, loaded):
    loss, kept, peak = trained(comfy, loaded, low_memory=False)
    again_loss, again, lower = trained(comfy, loaded, low_memory=True)
    assert again_loss == pytest.approx(loss, rel=1e-3)
    for theirs, ours in zip(kept, again, strict=True):
        # half precision through the whole network, with different kernels
        assert ours.isfinite().all() and (ours - theirs).norm() <= 2e-2 * theirs.norm().clamp(min=1e-12)
    if DEVICE != "cpu" and loaded.side > 64:
        assert lower < peak


def test_what_does_not_fit_is_tried_with_less_or_told(comfy, loaded):
    """With little memory, images are generated one by one; with less still, an error says so."""
    if DEVICE == "cpu":
        pytest.skip("CPU memory cannot be limited for a single test")
    memory = comfy.module("nodes.host.memory")
    tried = []

    def draw(start, count):
        tried.append(count)
        work = torch.empty(count, 2**28, dtype=torch.uint8, device=DEVICE)  # 256 MiB per image
        return work[:, :1].cpu()

    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**29 + 2**27) / total)
    try:
        assert len(memory.in_parts(8, 8, draw, "to generate an image")) == 8 and min(tried) <= 2 < max(tried)
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**26) / total)
        with pytest.raises(ValueError, match="to generate an image"):
            memory.in_parts(8, 8, draw, "to generate an image")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
