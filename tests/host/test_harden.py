"""A hardened erasure in the host: its projections, its file, its strength, what it leaves alone."""

import pytest
import torch

from tests.host.calls import latents
from tests.host.graphs import CHECKPOINT

PLAIN = "a photo of the {}"


@pytest.fixture(scope="module")
def run(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.run("MACE_EraseConcepts", concepts="ship -> sea")
    given = {"model": model, "clip": clip, "concepts": concepts}
    _, plain = comfy.run("MACE_CrossAttnRefine", **given)
    _, erasure = comfy.run("MACE_CrossAttnRefine", **given, harden=2)
    return locals()


def applied(comfy, run, strength=1.0, mode="gated"):
    inputs = {"model": run["model"], "erasure": run["erasure"], "strength": strength, "mode": mode}
    return comfy.run("MACE_ApplyErasedModel", **inputs)[0]


def context(comfy, run, text):
    return comfy.call("CLIPTextEncode", clip=run["clip"], text=text)[0][0][0]


def test_it_only_adds_to_the_erasure(run):
    plain, hard = run["plain"], run["erasure"]
    assert torch.equal(plain.T, hard.T) and plain.gate.directions is None
    assert all(torch.equal(tensor, hard.gate.state()[name]) for name, tensor in plain.gate.state().items())
    assert len(hard.gate.directions) == 3


@pytest.mark.parametrize("text", ["a cat", "a photo of the tractor", "(fox:1.4) in winter", ""])
def test_other_prompts_give_the_same_bits(comfy, run, text):
    after, before = (
        latents(comfy, model, run["clip"], text) for model in (applied(comfy, run), run["model"])
    )
    assert torch.equal(after, before)


def test_strength_0_gives_the_original(comfy, run):
    text = PLAIN.format("ship")
    before = latents(comfy, run["model"], run["clip"], text)
    assert torch.equal(latents(comfy, applied(comfy, run, 0.0), run["clip"], text), before)
    assert not torch.equal(latents(comfy, applied(comfy, run), run["clip"], text), before)


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_projection_is_what_the_gate_says(comfy, run, strength):
    """k' = W (e + s g (1 - h) (T - I) e + s h (r - e)) in float64."""
    gates = comfy.module("mace_core.erasure.gate")
    layer = next(iter(comfy.module("nodes.host.patch").cross_attention_layers(run["model"])))
    function = applied(comfy, run, strength).object_patches[f"{layer}.forward"]
    e = torch.cat([context(comfy, run, text) for text in ("a photo of the ship at night", "a horse")])
    e[0, 5] += 0.3 * e[1, 2]  # between the word and another
    gate, T = run["erasure"].gate, run["erasure"].T.double()
    W = comfy.module("nodes.host.weights").plain_weight(run["model"], f"{layer}.weight").double()
    g = strength * gates.gate_values(gate, e).double()[..., None]
    h, r = (each.double() for each in gates.replacements(gate, e))
    moved = e.double() @ (T - torch.eye(len(T))).T
    wanted = e.double() + g * (1 - h[..., None]) * moved + strength * h[..., None] * (r - e.double())
    with torch.inference_mode():
        found = function(e).double()
    wanted = wanted @ W.T
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert h.max() == 1


def test_the_linear_form_is_not_hardened(comfy, run):
    patch = comfy.module("nodes.host.patch")
    models = (
        patch.apply_erasure(run["model"], erasure, 1.0, False) for erasure in (run["plain"], run["erasure"])
    )
    plain, hard = (latents(comfy, model, run["clip"], PLAIN.format("ship")) for model in models)
    assert torch.equal(plain, hard)


def test_its_fingerprint_differs(comfy, run):
    fingerprint = comfy.module("nodes.host.fingerprints").fingerprint_in_force
    plain = comfy.run("MACE_ApplyErasedModel", model=run["model"], erasure=run["plain"])[0]
    assert fingerprint(plain) != fingerprint(applied(comfy, run))


def test_a_workflow_without_the_input_still_works(comfy, run):
    inputs = comfy.nodes["MACE_CrossAttnRefine"].define_schema().inputs
    assert inputs[-1].id == "harden" and inputs[-1].default == 0
