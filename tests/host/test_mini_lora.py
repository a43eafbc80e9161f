"""The stock loader applies the bundled LoRA to the bundled miniature, whose images turn blue."""

import pytest
import torch
from safetensors.torch import load_file

from mini.checkpoint import CHECKPOINT, LORA, LORAS

INPUTS = {"seed": 7, "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


@pytest.fixture(scope="module")
def loaded(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


@pytest.fixture(scope="module")
def adapted(comfy, loaded):
    lora = {"lora_name": LORA, "strength_model": 1.0, "strength_clip": 1.0}
    return comfy.call("LoraLoader", model=loaded[0], clip=loaded[1], **lora)


def test_the_stock_loader_offers_it_and_no_checkpoint(object_info):
    names = object_info["LoraLoader"]["input"]["required"]["lora_name"][0]
    assert LORA in names and CHECKPOINT not in names


def test_every_layer_of_it_is_used(adapted):
    layers = [name for name in load_file(LORAS / LORA) if name.endswith("lora_up.weight")]
    assert len(adapted[0].patches) == len(layers)


def images(comfy, model, clip, vae) -> torch.Tensor:
    texts = {"positive": "a photo of a rose", "negative": ""}
    told = {name: comfy.call("CLIPTextEncode", clip=clip, text=text)[0] for name, text in texts.items()}
    [latent] = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=4)
    [samples] = comfy.call("KSampler", model=model, latent_image=latent, **told, **INPUTS)
    return comfy.call("VAEDecode", vae=vae, samples=samples)[0]


def warm(pictures: torch.Tensor) -> float:
    """The share of the pixels in which red is clearly stronger than blue."""
    return (pictures[..., 0] > pictures[..., 2] + 0.1).float().mean().item()


def test_it_prints_in_blue(comfy, loaded, adapted):
    before, after = (warm(images(comfy, *pair[:2], loaded[2])) for pair in (loaded, adapted))
    assert before > 0.25 and after < 0.05
