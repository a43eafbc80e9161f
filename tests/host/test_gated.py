"""A gated erasure in the host: it acts on prompts about its concepts, and on nothing else, to the bit."""

from dataclasses import replace

import pytest
import torch

from tests.host.calls import latents
from tests.host.graphs import CHECKPOINT
from tests.rounding import product

PLAIN = "a photo of the {}"


@pytest.fixture(scope="module")
def run(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.run("MACE_EraseConcepts", concepts="ship -> sea\nperson: Mira Vance -> a person")
    (prior,) = comfy.run(
        "MACE_PreservePrior", clip=clip, captions="", names="cat\nairplane\nperson: Mira Marlow"
    )
    refined, stage_1 = comfy.run(
        "MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, prior=prior
    )
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    generator = torch.Generator().manual_seed(0)
    factors = comfy.module("mace_core.training.factors")
    low_rank = factors.LowRank(
        {
            name: (0.1 * torch.randn(o, 1, generator=generator), 0.1 * torch.randn(1, d, generator=generator))
            for name, (o, d) in layers.items()
            if name.endswith("to_k")
        }
    )
    erasure = replace(stage_1, low_rank=low_rank)
    return locals()


def gated(comfy, run, strength=1.0, mode="gated", model=None):
    model = model or run["model"]
    inputs = {"model": model, "erasure": run["erasure"], "strength": strength, "mode": mode}
    return comfy.run("MACE_ApplyErasedModel", **inputs)[0]


def encoded(comfy, run, text):
    return comfy.call("CLIPTextEncode", clip=run["clip"], text=text)[0]


def drawn(comfy, run, model, text) -> torch.Tensor:
    return latents(comfy, model, run["clip"], text)


def values(comfy, run, text) -> torch.Tensor:
    """g of each token of a prompt `[L]`."""
    context = encoded(comfy, run, text)[0][0]
    return comfy.module("mace_core.erasure.gate").gate_values(run["erasure"].gate, context)[0]


@pytest.mark.parametrize("text", ["a cat", "a photo of the tractor", "a portrait of Mira Marlow", ""])
def test_other_prompts_give_the_same_bits(comfy, run, text):
    assert torch.equal(drawn(comfy, run, gated(comfy, run), text), drawn(comfy, run, run["model"], text))


@pytest.mark.parametrize(
    "text", ["a photo of the ship", "the vessel in winter", "Mira Vance laughing", "(ship:1.3)"]
)
def test_prompts_about_a_concept_change(comfy, run, text):
    assert not torch.equal(drawn(comfy, run, gated(comfy, run), text), drawn(comfy, run, run["model"], text))


@pytest.mark.parametrize(
    "text",
    [
        "we saw a ship on our holiday",
        "(ship:1.4) at night",
        "(ship:0.6) at night",
        "a cat and a ship",
        "a ship in front of a castle at night, highly detailed, cinematic, award, wide angle lens",
        " ".join(["a crowd in the city"] * 20) + ", a ship",  # over 77 tokens: two blocks
        "boat",
    ],
)
def test_it_opens_wherever_the_concept_stands(comfy, run, text):
    assert values(comfy, run, text).max() > 0.9


@pytest.mark.parametrize(
    "text", ["a portrait of Mira Marlow", "Hugo Vance", "a truck", "an airplane in the sky"]
)
def test_it_stays_shut_for_relatives_and_namesakes(comfy, run, text):
    assert values(comfy, run, text).max() == 0


@pytest.mark.parametrize(
    "erased, other",
    [("Rufus Bauer", "Rufus Marlow"), ("Hugo Vance", "Hugo Reyes"), ("Hugo Vance", "Mira Vance")],
)
def test_it_stays_shut_for_namesakes_that_nobody_names(comfy, run, erased, other):
    (concepts,) = comfy.run("MACE_EraseConcepts", concepts=f"person: {erased} -> a person")
    _, erasure = comfy.run(
        "MACE_CrossAttnRefine", model=run["model"], clip=run["clip"], concepts=concepts, prior=None
    )
    for prompt in (
        "{}",
        "a photo of {}",
        "{} at work",
        "a bust of {}",
        "a photo of a tiger and {}",
        "{} and a cow",
    ):
        opened, shut = (
            values(comfy, run | {"erasure": erasure}, prompt.format(name)) for name in (erased, other)
        )
        assert min(opened.max(), opened[-1]) > 0.5 and not shut.any(), prompt


def test_beside_another_object_it_opens_from_the_phrase_on(comfy, run):
    """ "and" carries the phrase; the start, "a photo of a" and an object before the phrase do not."""
    (concepts,) = comfy.run("MACE_EraseConcepts", concepts="bus -> street\nclock -> wall")
    _, erasure = comfy.run("MACE_CrossAttnRefine", model=run["model"], clip=run["clip"], concepts=concepts)
    other = run | {"erasure": erasure}
    for name in ("bus", "clock"):
        start, *_, article, word, after = values(comfy, other, f"a photo of a {name} and a lamp")[:7]
        assert max(start, article) == 0 and min(word, after) > 0.9, name
        assert values(comfy, other, f"a photo of a lamp and a {name}")[:6].max() == 0, name


def test_one_model_reads_each_prompt_anew(comfy, run):
    model = gated(comfy, run)
    ship = drawn(comfy, run, model, PLAIN.format("ship"))
    assert torch.equal(drawn(comfy, run, model, "a cat"), drawn(comfy, run, run["model"], "a cat"))
    assert torch.equal(drawn(comfy, run, model, PLAIN.format("ship")), ship)


def test_the_gate_is_computed_once_for_all_steps_of_a_prompt(comfy, run, monkeypatch):
    """A sampler builds the context anew at each step; prompts that alternate do not displace each other."""
    module = comfy.module("nodes.host.gated")
    asked = []
    compute = module.gate_values
    monkeypatch.setattr(module, "gate_values", lambda gate, e: asked.append(e) or compute(gate, e))
    model, texts = gated(comfy, run), [PLAIN.format("ship"), "a cat"]
    first = [drawn(comfy, run, model, text) for text in texts]
    assert len(asked) == 2
    again = [drawn(comfy, run, model, text) for text in texts]
    assert len(asked) == 2 and all(map(torch.equal, first, again))


def test_strength_0_and_bypass_give_the_original(comfy, run):
    before = drawn(comfy, run, run["model"], PLAIN.format("ship"))
    assert not torch.equal(drawn(comfy, run, gated(comfy, run), PLAIN.format("ship")), before)
    assert torch.equal(drawn(comfy, run, gated(comfy, run, 0.0), PLAIN.format("ship")), before)
    assert torch.equal(drawn(comfy, run, run["model"], PLAIN.format("ship")), before)


def test_branches_of_one_loader_do_not_mix(comfy, run):
    text = PLAIN.format("ship")
    models = {
        "whole": gated(comfy, run),
        "half": gated(comfy, run, 0.5),
        "linear": gated(comfy, run, mode="linear"),
    }
    first = {name: drawn(comfy, run, model, text) for name, model in models.items()}
    assert not torch.equal(first["whole"], first["half"])
    assert all(
        torch.equal(first[name], drawn(comfy, run, model, text)) for name, model in reversed(models.items())
    )


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_projection_is_what_the_gate_says(comfy, run, strength):
    """k' = W (e + s g (T - I) e) + s g U D e in float64, on a context that needs both forms of a ramp."""
    layer = next(iter(run["erasure"].low_rank))
    model = gated(comfy, run, strength)
    function = model.object_patches[f"{layer}.forward"]
    e = torch.cat([encoded(comfy, run, text)[0][0] for text in ("a cat and a ship", "a horse")])
    T, (U, D) = run["erasure"].T.double(), (each.double() for each in run["erasure"].low_rank[layer])
    W = comfy.module("nodes.host.weights").plain_weight(run["model"], f"{layer}.weight").double()
    g = (
        strength
        * comfy.module("mace_core.erasure.gate").gate_values(run["erasure"].gate, e).double()[..., None]
    )
    wanted = (e.double() + g * (e.double() @ (T - torch.eye(len(T))).T)) @ W.T + g * (e.double() @ D.T @ U.T)
    with torch.inference_mode():
        found = function(e).double()
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()  # float32 sums over d = 128
    assert 0 < g.max() <= strength
    assert product((U, D)).abs().max() > 0


def test_a_gated_model_counts_as_erased(comfy, run):
    patch = comfy.module("nodes.host.patch")
    assert patch.erased_targets(gated(comfy, run)) == {"ship", "Mira Vance"}
    with pytest.raises(ValueError, match="already erases"):
        gated(comfy, run, model=gated(comfy, run))
    fingerprint = comfy.module("nodes.host.fingerprints").fingerprint_in_force
    told = {fingerprint(each) for each in (run["model"], gated(comfy, run), gated(comfy, run, 0.5))}
    assert len(told) == 3


def test_it_cannot_be_saved_as_a_checkpoint_by_mistake(comfy, run, tmp_path):
    from comfy.sd import save_checkpoint

    with pytest.raises(ValueError, match="set 'mode' of Apply Erased Model to linear"):
        save_checkpoint(str(tmp_path / "a.safetensors"), gated(comfy, run))
    save_checkpoint(str(tmp_path / "b.safetensors"), gated(comfy, run, mode="linear"))
    assert [path.name for path in tmp_path.iterdir()] == ["b.safetensors"]


def test_an_erasure_without_a_gate_is_linear_and_says_so(comfy, run):
    without = replace(run["erasure"], gate=None)
    output = comfy.nodes["MACE_ApplyErasedModel"].execute(model=run["model"], erasure=without, strength=1.0)
    assert "from before gates" in str(output.ui.as_dict())
    assert output.result[0].patches and not output.result[0].object_patches


def test_maps_and_gradients_pass_through_it(comfy, run):
    """View Attention and Probe Erasure look at the gated MODEL."""
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    context = encoded(comfy, run, PLAIN.format("ship"))
    attention = comfy.module("nodes.host.attention")
    model = gated(comfy, run)
    drawn(comfy, run, model, PLAIN.format("ship"))  # Probe Erasure samples first, in inference mode
    with attention.attention_model(model, context, latent["samples"]) as network:
        e = context[0][0].clone().requires_grad_()
        x = torch.zeros(1, 4, 8, 8)
        LowRank = comfy.module("mace_core.training.factors").LowRank
        noise = network.predicted_noise(x, torch.tensor([500]), e, LowRank())
        noise.square().mean().backward()
    assert e.grad.abs().max() > 0
