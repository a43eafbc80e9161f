"""A gated erasure beside IP adapters, ControlNets, and prompts for parts of the image."""

import pytest
import torch

from dev.fullsize.families import randomise
from tests.host.calls import latents
from tests.host.graphs import CHECKPOINT

SHIP, CAT = "a photo of a ship", "a photo of a cat"
IMAGE_TOKENS = 4


@pytest.fixture(scope="module")
def run(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.run("MACE_EraseConcepts", concepts="ship -> sea")
    (prior,) = comfy.run("MACE_PreservePrior", clip=clip, captions="", names="cat\ntree")
    erasure = comfy.run("MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, prior=prior)[1]
    (gated,) = comfy.run("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0)
    linear = comfy.run("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, mode="linear")[0]
    return locals()


def encoded(comfy, run, text):
    return comfy.call("CLIPTextEncode", clip=run["clip"], text=text)[0]


def sampled(comfy, model, positive, negative, steps=2) -> torch.Tensor:
    (empty,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    settings = {"seed": 1, "steps": steps, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    given = {"model": model, "positive": positive, "negative": negative, "latent_image": empty}
    return comfy.call("KSampler", **given, **settings, denoise=1.0)[0]["samples"]


def image_tokens(d: int) -> torch.Tensor:
    return torch.randn(1, IMAGE_TOKENS, d, generator=torch.Generator().manual_seed(0))


def replaced(model, scale: float = 0.5):
    """Like IPAdapter: each attn2 is replaced by attention to the text plus attention to an image."""
    model = model.clone()

    def attention(q, k, v, options):
        keys = image_tokens(k.shape[-1]).to(k)

        def attend(k, v):
            heads = options["n_heads"]
            q_, k_, v_ = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
            return (q_ @ k_.mT / q_.shape[-1] ** 0.5).softmax(-1).matmul(v_).transpose(1, 2).flatten(2)

        return attend(k, v) + scale * attend(keys.expand(len(q), -1, -1), keys.expand(len(q), -1, -1))

    for block in ("input", "output"):
        for number in range(12):
            model.set_model_attn2_replace(attention, block, number)
    model.set_model_attn2_replace(attention, "middle", 0)
    return model


def appended(model):
    """Like older IP adapters and style models: tokens of an image after those of the text."""
    model = model.clone()

    def patch(n, context, value, options):
        more = image_tokens(context.shape[-1]).to(context).expand(len(context), -1, -1)
        return n, torch.cat([context, more], 1), torch.cat([value, more], 1)

    model.set_model_attn2_patch(patch)
    return model


@pytest.mark.parametrize("beside", [replaced, appended])
@pytest.mark.parametrize("order", ["before the node", "after the node"])
def test_patches_of_attention_like_those_of_ip_adapters(comfy, run, beside, order):
    if order == "after the node":
        both = beside(run["gated"])
    else:
        model = beside(run["model"])
        (both,) = comfy.run("MACE_ApplyErasedModel", model=model, erasure=run["erasure"], strength=1.0)
    alone = beside(run["model"])
    cat, ship = (latents(comfy, alone, run["clip"], text) for text in (CAT, SHIP))
    assert not torch.equal(cat, latents(comfy, run["model"], run["clip"], CAT))  # the patch does something
    assert torch.equal(latents(comfy, both, run["clip"], CAT), cat)
    assert not torch.equal(latents(comfy, both, run["clip"], SHIP), ship)


def test_tokens_of_an_image_are_left_alone(comfy, run):
    text = encoded(comfy, run, SHIP)[0][0]
    e = torch.cat([text, image_tokens(text.shape[-1])], 1)
    g = comfy.module("mace_core.erasure.gate").gate_values(run["erasure"].gate, e)[0]
    assert g[:77].max() == 1 and g[77:].max() == 0


@pytest.fixture(scope="module")
def control_net(comfy, run):
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet

    config = {**run["model"].model.model_config.unet_config, "hint_channels": 3, "dtype": torch.float32}
    config = {key: value for key, value in config.items() if key not in ("out_channels", "disable_unet")}
    with torch.inference_mode():
        network = Network(**config)
        randomise(network)
        return ControlNet(network, load_device=torch.device("cpu"))


def controlled(comfy, run, control_net, model, text):
    from nodes import ControlNetApplyAdvanced

    hint = torch.zeros(1, 64, 64, 3)
    given = {"control_net": control_net, "image": hint, "strength": 0.3}
    given |= {"start_percent": 0.0, "end_percent": 1.0}
    negative = encoded(comfy, run, "")
    positive, negative = ControlNetApplyAdvanced().apply_controlnet(
        encoded(comfy, run, text), negative, **given
    )
    return sampled(comfy, model, positive, negative)


def test_a_control_net_beside_it(comfy, run, control_net):
    cat, ship = (controlled(comfy, run, control_net, run["model"], text) for text in (CAT, SHIP))
    assert not torch.equal(cat, latents(comfy, run["model"], run["clip"], CAT))
    assert torch.equal(controlled(comfy, run, control_net, run["gated"], CAT), cat)
    assert not torch.equal(controlled(comfy, run, control_net, run["gated"], SHIP), ship)


@pytest.mark.parametrize("mode", ["gated", "linear"])
def test_a_control_net_reads_the_prompt_with_weights_of_its_own(comfy, run, control_net, mode):
    """As README says: no erasure of a MODEL reaches it, in either mode."""
    (layer,) = [
        module
        for name, module in control_net.control_model.named_modules()
        if name.endswith("middle_block.1.transformer_blocks.0.attn2.to_k")
    ]
    read = []
    hook = layer.register_forward_hook(lambda module, given, answer: read.append((given[0], answer)))
    try:
        controlled(comfy, run, control_net, run["model"], SHIP)
        half = len(read)
        controlled(comfy, run, control_net, run[mode], SHIP)
    finally:
        hook.remove()
    assert half and len(read) == 2 * half
    for (context, answer), (later, then) in zip(read[:half], read[half:], strict=True):
        assert torch.equal(context, later) and torch.equal(answer, then)


def parts(comfy, run, texts, how: str) -> list:
    """One CONDITIONING: the first prompt for the left half of the image, the second for the right half."""
    import nodes

    together = []
    for number, text in enumerate(texts):
        each = encoded(comfy, run, text)
        if how == "area":
            given = {"width": 32, "height": 64, "x": 32 * number, "y": 0, "strength": 1.0}
            (each,) = nodes.ConditioningSetArea().append(each, **given)
        else:
            mask = torch.zeros(1, 64, 64)
            mask[..., 32 * number : 32 * number + 32] = 1
            (each,) = nodes.ConditioningSetMask().append(each, mask, "default", 1.0)
        together += each
    return together


@pytest.mark.parametrize("how", ["area", "mask"])
def test_prompts_for_parts_of_the_image(comfy, run, how):
    """After one step, only the part whose prompt is about the concept has changed."""
    negative = encoded(comfy, run, "")
    positive = parts(comfy, run, (SHIP, CAT), how)
    before, after = (sampled(comfy, run[name], positive, negative, 1) for name in ("model", "gated"))
    changed = (before != after).any(1)[0].any(0)  # by column of the latent
    assert changed[:4].all() and not changed[4:].any()


def test_prompts_joined_into_one(comfy, run):
    """ConditioningConcat: two prompts in one context of 154 tokens."""
    import nodes

    def both(first, second):
        return nodes.ConditioningConcat().concat(encoded(comfy, run, first), encoded(comfy, run, second))[0]

    negative = encoded(comfy, run, "")
    cats, ship = both(CAT, "a tree"), both(CAT, SHIP)
    assert torch.equal(*(sampled(comfy, run[name], cats, negative) for name in ("model", "gated")))
    assert not torch.equal(*(sampled(comfy, run[name], ship, negative) for name in ("model", "gated")))


@pytest.mark.parametrize("mode", ["gated", "linear"])
def test_a_negative_prompt_about_the_concept(comfy, run, mode):
    """The erasure acts on negative prompts too: what it maps a ship to is then what is avoided."""
    positive, negative = encoded(comfy, run, CAT), encoded(comfy, run, SHIP)
    before, after = (sampled(comfy, run[name], positive, negative) for name in ("model", mode))
    assert not torch.equal(before, after)
