"""Exports load in diffusers and peft, and compute the same there as the erased MODEL does in the host."""

import copy

import pytest
import torch

from dev.host.fetch import host_folder
from dev.miniature.to_diffusers import write_pipeline
from tests.host.exporting import Exporting
from tests.host.test_patches import weight_in_force

FULL_RANK, EXACT = 128, 1e-4
TIMESTEPS = (20, 400, 950)


@pytest.fixture(scope="module")
def exporting(comfy) -> Exporting:
    return Exporting(comfy)


@pytest.fixture(scope="module")
def loaded(comfy, tmp_path_factory):
    from diffusers import StableDiffusionPipeline

    folder = write_pipeline(tmp_path_factory.mktemp("diffusers"), host_folder() / "comfy" / "sd1_tokenizer")
    return StableDiffusionPipeline.from_pretrained(folder)


@pytest.fixture
def pipeline(loaded):
    """A pipeline with its own U-Net for each test."""
    pipeline = type(loaded)(
        **{**loaded.components, "unet": copy.deepcopy(loaded.unet)}, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def inputs():
    g = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 8, 8, generator=g), torch.randn(2, 77, 128, generator=g)


@pytest.fixture(scope="module")
def expected(exporting, inputs) -> list[torch.Tensor]:
    """The noise that the erased MODEL predicts in the host; the original MODEL predicts different noise."""
    erased, plain = (predicted_here(model, *inputs) for model in (exporting.erased(), exporting.model))
    assert all((one - other).abs().max() > 0.1 for one, other in zip(erased, plain, strict=True))
    return erased


def predicted_here(model, z, context) -> list[torch.Tensor]:
    import comfy.model_management

    with torch.inference_mode():
        comfy.model_management.load_models_gpu([model], force_full_load=True)
        return [
            model.model.diffusion_model(z, torch.tensor([t] * len(z)), context=context).clone()
            for t in TIMESTEPS
        ]


def predicted_there(unet, z, context) -> list[torch.Tensor]:
    with torch.no_grad():
        return [unet(z, t, encoder_hidden_states=context).sample for t in TIMESTEPS]


def farthest(one, other) -> float:
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


def drawn(pipeline) -> torch.Tensor:
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return pipeline(
        "a photo of a ship",
        latents=noise,
        num_inference_steps=6,
        guidance_scale=4.0,
        height=64,
        width=64,
        output_type="latent",
    ).images


def test_a_lora_through_load_lora_weights(exporting, pipeline, inputs, expected):
    """Exact at full rank; below, the error grows as the rank falls."""
    distances = []
    for rank in (4, 64, FULL_RANK):
        file, _ = exporting.export("LoRA", rank)
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
        distances.append(farthest(predicted_there(pipeline.unet, *inputs), expected))
        pipeline.unload_lora_weights()
    assert distances == sorted(distances, reverse=True) and distances[0] > 100 * EXACT > 100 * distances[-1]


def test_a_lora_draws_the_latents_of_the_erased_models_weights(exporting, pipeline):
    file, _ = exporting.export("LoRA", FULL_RANK)
    plain = drawn(pipeline)
    pipeline.load_lora_weights(str(file))
    with_lora = drawn(pipeline)
    pipeline.unload_lora_weights()
    named = exporting.comfy.module("nodes.host.diffusers_names")
    names = named.projections(exporting.model, exporting.erasure)
    erased = exporting.erased()
    for module, layer in names.items():
        pipeline.unet.get_submodule(module).weight.data.copy_(weight_in_force(erased, layer))
    assert (with_lora - drawn(pipeline)).abs().max() < EXACT < (with_lora - plain).abs().max() / 1000


def test_an_adapter_through_peft(exporting, pipeline, inputs, expected):
    from peft import PeftModel

    written, _ = exporting.export("PEFT adapter", FULL_RANK)
    files = {file.name for file in written.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= files
    unet = PeftModel.from_pretrained(pipeline.unet, str(written))
    adapted = {
        name.partition(".lora_A.")[0].removeprefix("base_model.model.")
        for name in unet.state_dict()
        if ".lora_A." in name
    }
    named = exporting.comfy.module("nodes.host.diffusers_names")
    names = named.projections(exporting.model, exporting.erasure)
    assert adapted == set(names)
    assert farthest(predicted_there(unet, *inputs), expected) < EXACT
    merged = unet.merge_and_unload()
    assert farthest(predicted_there(merged, *inputs), expected) < EXACT


def test_an_adapter_through_diffusers(exporting, pipeline, inputs, expected):
    written, _ = exporting.export("PEFT adapter", FULL_RANK)
    pipeline.unet.load_lora_adapter(
        str(written), prefix="base_model.model", weight_name="adapter_model.safetensors"
    )
    assert farthest(predicted_there(pipeline.unet, *inputs), expected) < EXACT


def test_lower_ranks_of_an_adapter_are_the_loras(exporting, pipeline, inputs):
    from peft import PeftModel

    file, told = exporting.export("LoRA", 16)
    written, also_told = exporting.export("PEFT adapter", 16)
    assert told.splitlines()[1:] == also_told.splitlines()[1:]
    pipeline.load_lora_weights(str(file))
    loaded = predicted_there(pipeline.unet, *inputs)
    pipeline.unload_lora_weights()
    adapted = PeftModel.from_pretrained(pipeline.unet, str(written))
    assert farthest(predicted_there(adapted, *inputs), loaded) < EXACT
