"""MODEL, CLIP and VAE for the tests on a card: the bundled miniature, and families of full size."""

from dataclasses import dataclass

from dev.fullsize.families import FAMILIES, random_clip, random_model, random_vae
from dev.host.card import DEVICE

CHECKPOINT = "mace_mini_sd.safetensors"
MINI_SIDE = 64


@dataclass(frozen=True, eq=False)
class Network:
    """side: of the pictures, in pixels."""

    name: str
    model: object
    clip: object
    vae: object
    side: int


def network(comfy, name: str) -> Network:
    """Weights of full size are random, and half precision on a card, where checkpoints are."""
    import torch

    with torch.inference_mode():
        if name == "mini":
            model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
            return Network(name, model, clip, vae, MINI_SIDE)
        family, dtype = FAMILIES[name], torch.float32 if DEVICE == "cpu" else torch.float16
        side = family.tested if DEVICE == "cpu" else family.pixels
        return Network(name, random_model(family, dtype), random_clip(family), random_vae(), side)
