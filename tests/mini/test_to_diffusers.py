"""The converted miniature loads in diffusers and gives the same results there as the shipped parts."""

import pytest
import torch

from dev.host.fetch import host_folder
from dev.host.launch import make_importable
from dev.miniature.contexts import caption_rows, empty_context
from dev.miniature.draw import CFG, STEPS, denoise
from dev.miniature.shipped import load_shipped
from dev.miniature.to_diffusers import write_pipeline
from dev.miniature.world import load_world
from tests.rounding import apart

TOKENIZER = host_folder() / "comfy/sd1_tokenizer"
PROMPTS = ["a photo of the ship", "Mira Vance, an unheard-of word"]
ALIKE = 1e-4  # two float32 implementations of about twenty layers differ by a few 1e-6


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    make_importable()
    from diffusers import StableDiffusionPipeline

    folder = write_pipeline(tmp_path_factory.mktemp("diffusers"), TOKENIZER)
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def shipped():
    return load_shipped()


@pytest.fixture(scope="module")
def contexts(shipped) -> torch.Tensor:
    rows, _ = caption_rows([[(prompt, True)] for prompt in PROMPTS], load_world())
    return shipped[1](rows)


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_prompts_are_encoded_alike(pipeline, contexts):
    theirs, empty = pipeline.encode_prompt(PROMPTS, "cpu", 1, True)
    assert apart(theirs, contexts) < ALIKE < apart(empty, contexts) / 100


def test_noise_is_predicted_alike(pipeline, shipped, contexts):
    z = noise(2)
    for t in (20, 400, 950):
        ours = shipped[2](z, torch.tensor([t, t]), context=contexts)
        theirs = pipeline.unet(z, t, encoder_hidden_states=contexts).sample.detach()
        assert apart(theirs, ours) < ALIKE


def test_pictures_are_encoded_and_decoded_alike(pipeline, shipped):
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents = pipeline.vae.encode(2 * picture - 1).latents * pipeline.vae.config.scaling_factor
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample / 2 + 0.5
    ours = shipped[0].encode(picture)
    assert apart(latents, ours) < ALIKE
    assert apart(decoded, shipped[0].decode(ours)) < ALIKE


def test_twenty_steps_draw_the_same_latents_from_the_same_prompts(pipeline, shipped, contexts):
    told = {"num_inference_steps": STEPS, "guidance_scale": CFG, "height": 64, "width": 64}
    theirs = pipeline(PROMPTS, latents=noise(2), output_type="latent", **told).images
    ours = denoise(shipped[2], noise(2), contexts, empty_context(shipped[1]))
    assert apart(theirs, ours) < 10 * ALIKE  # rounding accumulates over the steps
    assert ours.std() > 0.5


def test_a_folder_without_a_tokenizer_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"vocab.json and merges.txt"):
        write_pipeline(tmp_path / "out", tmp_path)
