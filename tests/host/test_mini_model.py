"""The stock loader loads the bundled miniature, which computes what it was trained to compute."""

import pytest
import torch

from dev.miniature.contexts import caption_rows, empty_context
from dev.miniature.draw import denoise
from dev.miniature.figures.host import latents
from dev.miniature.shipped import load_shipped
from dev.miniature.world import load_world
from mini.checkpoint import CHECKPOINT


def test_the_stock_loader_offers_it(object_info):
    names = object_info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    assert CHECKPOINT in names


@pytest.fixture(scope="module")
def loaded(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


@pytest.fixture(scope="module")
def trained():
    return load_shipped()


def test_the_hosts_autoencoder_is_the_trained_one(loaded, trained):
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        latents = loaded[2].encode(picture)
        ours = trained[0].encode(picture.permute(0, 3, 1, 2))
        torch.testing.assert_close(latents * 0.18215, ours, atol=1e-3, rtol=1e-3)
        drawn = trained[0].decode(ours).clamp(0, 1).permute(0, 2, 3, 1)
        torch.testing.assert_close(loaded[2].decode(latents), drawn, atol=1e-3, rtol=0)


def test_the_hosts_text_encoder_is_the_trained_one(loaded, trained):
    prompt = "a photo of the ship, an unheard-of word"
    rows, _ = caption_rows([[(prompt, True)]], load_world())
    with torch.inference_mode():
        [[context, _]] = loaded[1].encode_from_tokens_scheduled(loaded[1].tokenize(prompt))
        ours = trained[1](rows)
    torch.testing.assert_close(context.float(), ours, atol=2e-2, rtol=1e-2)  # the host can encode in fp16


def test_the_hosts_denoiser_is_the_trained_one(loaded, trained):
    generator = torch.Generator().manual_seed(1)
    t, z, context = torch.tensor([400]), torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 77, 128)
    with torch.inference_mode():
        theirs = loaded[0].model.diffusion_model(z, t, context=context)
        torch.testing.assert_close(theirs, trained[2](z, t, context=context), atol=1e-4, rtol=1e-3)


def test_twenty_steps_of_the_hosts_sampler_draw_the_same_latents(loaded, trained):
    """Euler steps in the host's sigmas are DDIM steps; tests/mini compares the same steps with diffusers."""
    rows, _ = caption_rows([[("a photo of the ship", True)]], load_world())
    context, empty = trained[1](rows), empty_context(trained[1])
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs = latents(loaded[0], context, empty, noise)
    torch.testing.assert_close(theirs, denoise(trained[2], noise, context, empty), atol=1e-3, rtol=0)
    assert theirs.std() > 0.5
