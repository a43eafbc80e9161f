"""SDXL's pooled text in the host, on a tiny random SDXL and refiner: gated, linear, exported, saved."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.host.calls import latents
from tests.host.families import tiny_clip, tiny_model
from tests.host.test_patches import weight_in_force

SHIP, CAT = "a photo of a ship", "a photo of a cat"
LAYER = "diffusion_model.label_emb.0.0"


@pytest.fixture(scope="module")
def run(comfy):
    model, clip = tiny_model("sdxl"), tiny_clip("sdxl")
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship (boat) -> sea", kind="object")
    (prior,) = comfy.run("MACE_PreservePrior", clip=clip, captions=f"{CAT}\na tree\nsomebody at home")
    refined, erasure = comfy.call(
        "MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, prior=prior
    )
    identity = torch.eye(erasure.T.shape[0])
    # only the pooled part: tokens stay as they are
    only = replace(erasure, T=identity, gate=replace(erasure.gate, ramps=erasure.gate.ramps + 9))
    core = comfy.module("mace_core.erasure.pooled")
    return SimpleNamespace(**locals())


def applied(comfy, run, mode="gated", strength=1.0, erasure=None, model=None):
    given = {"model": model or run.model, "erasure": erasure or run.only, "strength": strength, "mode": mode}
    return comfy.call("MACE_ApplyErasedModel", **given)[0]


def pooled_of(comfy, run, text: str) -> torch.Tensor:
    return comfy.call("CLIPTextEncode", clip=run.clip, text=text)[0][0][1]["pooled_output"]


def drawn(comfy, run, model, text: str) -> torch.Tensor:
    return latents(comfy, model, run.clip, text)


def test_pooled_vectors_are_those_the_sampler_gets(comfy, run):
    prompts = [SHIP, "", "a man in a boat on the sea"]
    encoded = comfy.module("nodes.host.text_encoder").HostTextEncoder(run.clip).encode(prompts)
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(
            encoded.pooled[row], pooled_of(comfy, run, prompt)[0], atol=1e-5, rtol=1e-4
        )
    plain = comfy.module("nodes.host.text_encoder").HostTextEncoder(tiny_clip("sd21")).encode(prompts)
    assert plain.pooled is None


def test_the_erasure_has_a_pooled_part_from_the_prior_too(comfy, run):
    assert run.erasure.pooled.width == run.erasure.gate.pooled.width == 64
    assert run.prior.pooled.P.shape == (64, 64) and len(run.prior.pooled.texts) == 3
    again = comfy.run("MACE_PreservePrior", clip=run.clip, captions=f"{CAT}\na tree\nsomebody at home")[0]
    assert torch.equal(again.pooled.P, run.prior.pooled.P)  # from the cache
    assert again.pooled.texts == run.prior.pooled.texts


@pytest.mark.parametrize("text", [CAT, "a tree", ""])
def test_other_prompts_give_the_same_bits(comfy, run, text):
    assert torch.equal(drawn(comfy, run, applied(comfy, run), text), drawn(comfy, run, run.model, text))


def test_prompts_about_the_concept_change_though_no_token_does(comfy, run):
    for mode in ("gated", "linear"):
        change = drawn(comfy, run, applied(comfy, run, mode), SHIP) - drawn(comfy, run, run.model, SHIP)
        assert change.abs().max() > 1e-4


@pytest.mark.parametrize("mode", ["gated", "linear"])
def test_strength_0_and_bypass_give_the_original(comfy, run, mode):
    before = drawn(comfy, run, run.model, SHIP)
    applied(comfy, run, mode)
    assert torch.equal(drawn(comfy, run, applied(comfy, run, mode, 0.0), SHIP), before)
    assert torch.equal(drawn(comfy, run, run.model, SHIP), before)


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_the_layer_is_what_the_gate_says(comfy, run, strength):
    """W (p + s g (T_p - I) p) in float64, with the columns of the size left alone."""
    p = torch.cat([pooled_of(comfy, run, text) for text in (SHIP, CAT, "a boat in a tree")])
    y = torch.cat([p, torch.randn(3, 6 * 256, generator=torch.Generator().manual_seed(0))], 1)
    W = comfy.module("nodes.host.weights").plain_weight(run.model, f"{LAYER}.weight").double()
    bias = run.model.model.get_submodule(LAYER).bias.double()
    g = strength * run.core.pooled_gate_values(run.erasure.gate.pooled, p).double()[:, None]
    edit = run.erasure.pooled
    moved = p.double() + g * (p.double() @ edit.down.double().T @ edit.up.double().T)
    wanted = torch.cat([moved, y[:, 64:].double()], 1) @ W.T + bias
    with torch.inference_mode():
        found = applied(comfy, run, strength=strength).object_patches[f"{LAYER}.forward"](y)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)
    assert 0 == g[1] < g[0] == strength


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_the_linear_weight_is_w_t_in_the_pooled_columns(comfy, run, strength):
    W = weight_in_force(run.model, LAYER)
    T = torch.eye(64) + strength * run.erasure.pooled.up @ run.erasure.pooled.down
    edited = weight_in_force(applied(comfy, run, "linear", strength), LAYER)
    torch.testing.assert_close(edited[:, :64], W[:, :64] @ T, atol=1e-5, rtol=1e-4)
    assert torch.equal(edited[:, 64:], W[:, 64:])
    assert torch.equal(weight_in_force(run.model, LAYER), W)
    refined = weight_in_force(run.refined, LAYER)
    assert not torch.equal(refined, W)
    stores = comfy.module("nodes.host.stores")
    assert torch.equal(weight_in_force(stores.without_refinement(run.refined, run.concepts), LAYER), W)


def test_it_is_saved_and_loaded(comfy, run):
    _, name = comfy.shown("MACE_SaveErasure", erasure=run.erasure, name="sdxl", precision="float32")
    (back,) = comfy.call("MACE_LoadErasure", name=name)
    for mode in ("gated", "linear"):
        first, second = (applied(comfy, run, mode, erasure=each) for each in (run.erasure, back))
        assert torch.equal(drawn(comfy, run, first, SHIP), drawn(comfy, run, second, SHIP))


def told(comfy, model, erasure) -> str:
    output = comfy.nodes["MACE_ApplyErasedModel"].execute(model=model, erasure=erasure, strength=1.0)
    return str(output.ui.as_dict())


def test_an_erasure_without_it_is_applied_as_before_and_says_so(comfy, run):
    without = replace(run.erasure, pooled=None, gate=replace(run.erasure.gate, pooled=None))
    assert "left alone: make the erasure again" in told(comfy, run.model, without)
    assert "left alone" not in told(comfy, run.model, run.erasure)
    assert f"{LAYER}.forward" not in applied(comfy, run, erasure=without).object_patches
    assert f"{LAYER}.weight" not in applied(comfy, run, "linear", erasure=without).patches


def test_fingerprints_tell_the_pooled_part(comfy, run):
    without = replace(run.only, pooled=None, gate=replace(run.only.gate, pooled=None))
    fingerprint = comfy.module("nodes.host.fingerprints").fingerprint_in_force
    assert fingerprint(applied(comfy, run)) != fingerprint(applied(comfy, run, erasure=without))


def test_another_projection_of_pooled_vectors_is_another_text_encoder(comfy, run):
    fingerprint = comfy.module("nodes.host.fingerprints").encoder_fingerprint
    other = tiny_clip("sdxl")
    assert fingerprint(other) == fingerprint(run.clip)
    with torch.inference_mode():
        other.cond_stage_model.clip_g.transformer.text_projection.weight.mul_(2)
    assert fingerprint(tiny_clip("sdxl")) == fingerprint(run.clip)
    again = other.clone()
    again.add_patches({"clip_g.transformer.text_projection.weight": (torch.ones(64, 64),)}, 1.0)
    assert fingerprint(again) != fingerprint(run.clip)


def test_gradients_pass_through_it(comfy, run):
    gated = comfy.module("nodes.host.gated").GatedPooled
    layer = torch.nn.Linear(64 + 8, 4)
    y = torch.cat([pooled_of(comfy, run, SHIP), torch.ones(1, 8)], 1).clone().requires_grad_()
    with torch.inference_mode(False):
        gated(layer, run.erasure, 1.0)(y.detach().clone().requires_grad_()).sum().backward()
    assert layer.weight.grad.abs().max() > 0


@pytest.mark.parametrize("form", ["LoRA", "full difference"])
def test_an_export_through_the_stock_loader_has_the_linear_weight(comfy, run, form):
    (report,) = comfy.run(
        "MACE_ExportErasure",
        model=run.model,
        erasure=run.erasure,
        format=form,
        rank=128,
        name="sdxl",
    )
    file = comfy.base / report.splitlines()[0]
    folder = comfy.base / "models" / "loras"
    folder.mkdir(exist_ok=True)
    (folder / file.name).write_bytes(file.read_bytes())
    (loaded,) = comfy.call("LoraLoaderModelOnly", model=run.model, lora_name=file.name, strength_model=1.0)
    linear = applied(comfy, run, "linear", erasure=run.erasure)
    wanted, before = weight_in_force(linear, LAYER), weight_in_force(run.model, LAYER)
    found = weight_in_force(loaded, LAYER)
    assert (found - wanted).norm() < 1e-4 * (wanted - before).norm()


def test_a_saved_checkpoint_has_the_linear_weight(comfy, run, tmp_path):
    from comfy.sd import save_checkpoint
    from safetensors.torch import load_file

    path = tmp_path / "a.safetensors"
    linear = applied(comfy, run, "linear", erasure=run.erasure)
    save_checkpoint(str(path), linear)
    saved = load_file(path)[f"model.{LAYER}.weight"]
    assert torch.equal(saved, weight_in_force(linear, LAYER))


def with_pooled(kind: str, extra: int):
    """A tiny U-Net of another class of the host that reads a vector of 64 and ``extra`` numbers."""
    from comfy import supported_models
    from comfy.model_patcher import ModelPatcher

    from dev.fullsize.families import FAMILIES, randomise
    from tests.host.families import SDXL

    changes = SDXL | {"adm_in_channels": 64 + extra}
    config = getattr(supported_models, kind)(FAMILIES["sdxl"].unet | changes)
    config.set_inference_dtype(torch.float32, None)
    with torch.inference_mode():
        network = config.get_model({}, device="cpu")
        randomise(network.diffusion_model)
        return ModelPatcher(network, torch.device("cpu"), torch.device("cpu"))


def test_the_refiner_reads_it_too(comfy, run):
    refiner = with_pooled("SDXLRefiner", 5 * 256)
    erased = applied(comfy, run, model=refiner)
    assert torch.equal(drawn(comfy, run, erased, CAT), drawn(comfy, run, refiner, CAT))
    assert not torch.equal(drawn(comfy, run, erased, SHIP), drawn(comfy, run, refiner, SHIP))


def test_vectors_of_images_are_left_alone_in_one_sentence(comfy, run):
    """SD2 unCLIP has the same layer, for an image."""
    unclip = with_pooled("SD21UnclipL", 64)
    for mode in ("gated", "linear"):
        erased = applied(comfy, run, mode, model=unclip)
        assert f"{LAYER}.forward" not in erased.object_patches and f"{LAYER}.weight" not in erased.patches
    assert "vectors of images that this MODEL reads too are left alone." in told(comfy, unclip, run.erasure)
