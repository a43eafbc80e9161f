"""The gate on SD1, SD2 and SDXL in small: shut to the bit, exact where it is open."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.host.calls import latents
from tests.host.families import TINY, tiny_clip, tiny_model

SHIP, OTHER = "a photo of a ship", "a cat"
LONG = " ".join(["a crowd in the city"] * 20)  # over 77 tokens: two blocks


@pytest.fixture(scope="module", params=TINY)
def run(request, comfy):
    name = request.param
    model, clip = tiny_model(name), tiny_clip(name)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship (boat) -> sea", kind="object")
    _, stage_1 = comfy.call("MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts)
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    draw = torch.Generator().manual_seed(0)
    low_rank = comfy.module("mace_core.training.factors").LowRank(
        {
            layer: (torch.randn(o, 1, generator=draw), torch.randn(1, d, generator=draw) / d)
            for layer, (o, d) in layers.items()
        }
    )
    erasure = replace(stage_1, low_rank=low_rank)
    (erased,) = comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, clip=clip)
    values = comfy.module("mace_core.erasure.gate").gate_values
    return SimpleNamespace(**locals())


def context(comfy, run, text: str) -> torch.Tensor:
    return comfy.call("CLIPTextEncode", clip=run.clip, text=text)[0][0][0]


def drawn(comfy, run, model, text: str) -> torch.Tensor:
    return latents(comfy, model, run.clip, text)


@pytest.mark.parametrize("text", [OTHER, "", "(a cat:1.3) in a [house]", LONG])
def test_other_prompts_give_the_same_bits(comfy, run, text):
    if "inpainting" in run.name:
        pytest.skip("KSampler gives it no masked image")
    assert run.values(run.erasure.gate, context(comfy, run, text)).max() == 0
    assert torch.equal(drawn(comfy, run, run.erased, text), drawn(comfy, run, run.model, text))


@pytest.mark.parametrize("text", [SHIP, "(ship:1.4)", f"ship, {LONG}"])
def test_prompts_about_the_concept_change(comfy, run, text):
    assert run.values(run.erasure.gate, context(comfy, run, text)).max() > 0.9
    assert not torch.equal(drawn(comfy, run, run.erased, text), drawn(comfy, run, run.model, text))


def test_a_projection_is_what_the_gate_says(comfy, run):
    layer = next(iter(run.layers))
    e = torch.cat([context(comfy, run, SHIP), context(comfy, run, OTHER)])
    W = comfy.module("nodes.host.weights").plain_weight(run.model, f"{layer}.weight").double()
    T, (U, D) = run.erasure.T.double(), (each.double() for each in run.erasure.low_rank[layer])
    g = run.values(run.erasure.gate, e).double()[..., None]
    wanted = (e + g * (e.double() @ (T - torch.eye(len(T))).T)) @ W.T + g * (e.double() @ D.T @ U.T)
    with torch.inference_mode():
        found = run.erased.object_patches[f"{layer}.forward"](e)
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()  # float32 sums
    assert 0 == g[1].max() < g[0].max() == 1


def test_two_text_encoders_with_a_prompt_each(comfy, run):
    """CLIPTextEncodeSDXL: an SDXL token is that of both text encoders, side by side."""
    if not run.name.startswith("sdxl"):
        pytest.skip("one text encoder")
    sizes = dict.fromkeys(("width", "height", "target_width", "target_height"), 64)
    sizes |= {"crop_w": 0, "crop_h": 0}

    def opened(g: str, l: str) -> float:  # noqa: E741, the node's name
        from comfy_extras.nodes_clip_sdxl import CLIPTextEncodeSDXL as Node

        answer = Node().execute(clip=run.clip, text_g=g, text_l=l, **sizes)
        (conditioning,) = getattr(answer, "result", answer)
        return float(run.values(run.erasure.gate, conditioning[0][0]).max())

    assert opened(SHIP, SHIP) == 1
    assert opened(OTHER, OTHER) == 0
