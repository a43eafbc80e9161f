"""Every export, loaded by the stock loader, generates the same latents as Apply Erased Model."""

import shutil

import pytest
import safetensors.torch
import torch

from dev.host.client import ExecutionFailed, Interrupted, InvalidPrompt
from tests.host.exporting import Exporting
from tests.host.graphs import MODEL, base, node, stage_1

EXACT = 1e-4


@pytest.fixture(scope="module")
def exporting(comfy) -> Exporting:
    return Exporting(comfy)


@pytest.fixture(scope="module")
def plain(exporting) -> torch.Tensor:
    return exporting.latents(exporting.model)


@pytest.fixture(scope="module")
def erased(exporting, plain) -> torch.Tensor:
    """The latents of Apply Erased Model, which differ clearly from those of the original MODEL."""
    latents = exporting.latents(exporting.erased())
    assert distance(latents, plain) > 1
    return latents


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one - other).abs().max().item()


def test_the_full_difference_is_exact(exporting, plain, erased):
    file, report = exporting.export("full difference")
    assert "whole edit 0.0e+00" in report
    assert distance(exporting.latents(exporting.with_stock_lora(file)), erased) < EXACT
    half = exporting.latents(exporting.with_stock_lora(file, strength=0.5))
    assert distance(half, exporting.latents(exporting.erased(strength=0.5))) < EXACT
    assert distance(half, plain) > 100 * EXACT < distance(half, erased)


def test_a_lora_comes_closer_with_its_rank_and_a_full_rank_is_exact(exporting, erased):
    """Both the reported error and the error of the latents fall as the rank rises."""
    apart, told = [], []
    for rank in (0, 16, 64, 128):
        file, report = exporting.export("LoRA", rank)
        loaded = exporting.latents(exporting.with_stock_lora(file))
        apart.append((loaded - erased).norm().item() / erased.norm().item())
        told.append(float(report.partition("whole edit ")[2].split()[0].rstrip(".")))
    assert told == sorted(told, reverse=True) and apart == sorted(apart, reverse=True)
    assert distance(loaded, erased) < EXACT and told[-1] < 1e-5 and told[0] > 0.5


def test_the_host_reads_every_key(exporting, caplog):
    for form, rank in (("full difference", 0), ("LoRA", 4)):
        file, _ = exporting.export(form, rank)
        patched = exporting.with_stock_lora(file)
        assert {f"{layer}.weight" for layer in exporting.layers} == set(patched.patches)
    assert "not loaded" not in caplog.text and "lora key" not in caplog.text


def test_the_weights_are_those_on_the_wire(exporting, erased):
    """The export of a MODEL that carries a LoRA, loaded with that LoRA, equals the erased MODEL."""
    layer = next(iter(exporting.layers))
    o, d = exporting.layers[layer]
    file = exporting.comfy.base / "users.safetensors"
    safetensors.torch.save_file(
        {
            f"{layer}.lora_up.weight": torch.randn(o, 4) / 4,
            f"{layer}.lora_down.weight": torch.randn(4, d) / 4,
        },
        file,
    )
    users = exporting.with_stock_lora(file)
    expected = exporting.latents(exporting.erased(model=users))
    exported, _ = exporting.export("full difference", model=users)
    loaded = exporting.latents(exporting.with_stock_lora(exported, model=users))
    assert distance(loaded, expected) < EXACT < distance(expected, erased)


def test_float16_halves_the_file_and_says_what_it_costs(exporting, erased):
    exact, _ = exporting.export("full difference")
    half, report = exporting.export("full difference", precision="float16")
    assert half.stat().st_size < 0.52 * exact.stat().st_size
    told = float(report.partition("whole edit ")[2].split()[0].rstrip("."))
    assert 0 < told < 1e-3
    loaded = exporting.latents(exporting.with_stock_lora(half))
    assert (loaded - erased).norm() < 100 * told * erased.norm()


def test_an_erasure_file_in_float16_draws_nearly_the_same(exporting, plain, erased):
    call, folder = exporting.comfy.call, exporting.comfy.base / "models" / "mace"
    for precision in ("float32", "float16"):
        call("MACE_SaveErasure", erasure=exporting.erasure, name=precision, precision=precision)
    exact, half = (folder / f"{precision}_00001.safetensors" for precision in ("float32", "float16"))
    factors = sum(factor.numel() for factor in exporting.erasure.low_rank.tensors)
    assert exact.stat().st_size - half.stat().st_size > 1.9 * factors
    (loaded,) = call("MACE_LoadErasure", name=half.name)
    (model,) = call(
        "MACE_ApplyErasedModel", model=exporting.model, erasure=loaded, strength=1.0, mode="linear"
    )
    latents = exporting.latents(model)
    assert 0 < (latents - erased).norm() < 0.01 * (plain - erased).norm()


def test_a_merged_checkpoint_by_the_stock_node_is_exact(exporting, erased):
    from comfy_extras.nodes_model_merging import CheckpointSave

    base = exporting.comfy.base
    with torch.inference_mode():
        CheckpointSave().save(exporting.erased(), exporting.clip, exporting.vae, "mace/merged")
    shutil.copy(
        base / "output" / "mace" / "merged_00001_.safetensors",
        base / "models" / "checkpoints" / "merged.safetensors",
    )
    model, clip, vae = exporting.comfy.call("CheckpointLoaderSimple", ckpt_name="merged.safetensors")
    assert not model.patches
    latents = exporting.latents(model, clip)
    assert distance(latents, erased) < EXACT
    (theirs,) = exporting.comfy.call("VAEDecode", samples={"samples": latents}, vae=vae)
    (ours,) = exporting.comfy.call("VAEDecode", samples={"samples": latents}, vae=exporting.vae)
    assert distance(theirs, ours) < EXACT


def test_a_model_that_is_erased_already_is_refused(exporting):
    with pytest.raises(ValueError, match="already erases 'ship'"):
        exporting.export("LoRA", 4, model=exporting.erased())


def test_a_model_without_names_for_others_is_refused(exporting, monkeypatch):
    import comfy.utils

    monkeypatch.setattr(comfy.utils, "unet_to_diffusers", lambda config: {})
    with pytest.raises(ValueError, match="no name in diffusers"):
        exporting.export("LoRA", 4)


def export(name: str = "ship", **inputs) -> dict:
    settings = {"format": "LoRA", "rank": 4, "precision": "float32", **inputs}
    return (
        base()
        | stage_1()
        | {"export": node("MACE_ExportErasure", model=MODEL, erasure=["refine", 1], name=name, **settings)}
    )


@pytest.mark.parametrize("form, ending", [("LoRA", ".safetensors"), ("PEFT adapter", "")])
def test_on_a_server_it_writes_into_the_output_folder_and_overwrites_nothing(client, host, form, ending):
    first = client.run(export(f"for_you/{form}", format=form))["export"]["text"][0].splitlines()
    again = client.run(export(f"for_you/{form}", format=form, rank=5))["export"]["text"][0].splitlines()
    assert first[0] == f"output/mace/for_you/{form}_00001{ending}"
    assert again[0] == f"output/mace/for_you/{form}_00002{ending}"
    assert first[1].startswith("Rank 4 in") and again[1].startswith("Rank 5 in")
    assert all((host.base / lines[0]).exists() for lines in (first, again))


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/escape", "a/../../escape", "..\\escape", "C:\\escape", " "]
)
def test_a_name_that_leaves_the_folder_is_refused(client, host, name):
    with pytest.raises(InvalidPrompt, match=r"inside output/mace|character") as refused:
        client.run(export(name))
    assert len(str(refused.value).splitlines()) == 1, "a single sentence, reported once"
    assert not list(host.base.rglob("*escape*"))


def test_a_negative_rank_is_refused(client):
    with pytest.raises(InvalidPrompt, match="(?i)rank"):
        client.run(export(rank=-1))


def test_stage_1_alone_at_rank_0_is_refused(client):
    with pytest.raises(ExecutionFailed, match="nothing to export"):
        client.run(export(rank=0))


def test_cancelled_it_leaves_nothing(client, host):
    def cancel(event):
        if event.kind == "progress" and event.node == "export" and event.value == 1:
            client.interrupt()

    with pytest.raises(Interrupted):
        client.run(export("cancelled", rank=128), cancel)
    assert not list((host.base / "output").rglob("*cancelled*"))
    assert not list((host.base / "output" / "mace").glob(".mace-*"))
