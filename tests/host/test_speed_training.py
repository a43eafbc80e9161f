"""The straight training of `make bench` has the loss and the gradients of the pack's, on the miniature."""

import torch

from dev.speed.plain.training import PlainTraining
from dev.speed.training import fresh_factors, straight_model
from tests.host.graphs import CHECKPOINT

PROMPT, TOKENS = "a photo of a ship", [5]


def test_the_straight_step_is_equation_3_with_its_gradients(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    straight = straight_model(comfy, model, clip, vae)
    attention_model = comfy.module("nodes.host.attention").attention_model
    losses_of = comfy.module("mace_core.training.attention_loss").attention_losses
    LowRank = comfy.module("mace_core.training.factors").LowRank
    torch.manual_seed(0)
    image, mask, t = torch.rand(1, 3, 64, 64), torch.rand(64, 64), torch.tensor([300])
    with torch.inference_mode():
        conditioning = comfy.call("CLIPTextEncode", clip=clip, text=PROMPT)[0]
        latents = torch.randn(1, 4, 8, 8)
    with attention_model(model, conditioning, latents) as unet:
        x_t, context = torch.randn(1, 4, 8, 8), conditioning[0][0].clone().float()
        factors = fresh_factors(straight)
        for U, _ in factors.values():
            U.data.normal_(std=0.1)
        flat = [factor for both in factors.values() for factor in both]

        suppressed = torch.zeros(1, context.shape[1], dtype=torch.bool)
        suppressed[:, TOKENS] = True
        A = unet.attention(x_t, t, context, LowRank(factors))
        ours = losses_of(A, suppressed, mask[None], (8, 8)).sum()
        gradients = torch.autograd.grad(ours, flat, allow_unused=True)

        training = PlainTraining(straight, factors, 1e-3)
        try:
            plain = training.loss(x_t, t, context, mask, TOKENS)
            wanted = torch.autograd.grad(plain, flat, allow_unused=True)
            before = [factor.detach().clone() for factor in flat]
            assert training.step(image, mask, PROMPT, TOKENS, t) > 0
        finally:
            training.close()
    # float32, and the pack stops at the last map, after which nothing enters the loss
    assert torch.allclose(ours, plain, rtol=1e-4)
    for a, b in zip(gradients, wanted, strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a - b).norm() <= 1e-3 * b.norm() + 1e-9
    assert sum(a is not None for a in gradients) >= len(flat) - 2
    assert any(not torch.equal(a, b) for a, b in zip(before, flat, strict=True))
    assert not any("forward" in vars(module) for module in straight.attentions.values())
