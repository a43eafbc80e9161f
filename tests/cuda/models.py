"""MODEL, CLIP and VAE for the GPU tests: the bundled miniature, and model families at full size."""

from dataclasses import dataclass

from dev.fullsize.families import FAMILIES, random_clip, random_model, random_vae
from dev.host.card import DEVICE

CHECKPOINT = "mace_mini_sd.safetensors"
MINI_SIDE = 64


@dataclass(frozen=True, eq=False)
class Network:
    """``side`` is the width and height of the images, in pixels."""

    name: str
    model: object
    clip: object
    vae: object
    side: int


def network(comfy, name: str) -> Network:
    """At full size, weights are random; on a GPU they are in half precision, as in real checkpoints."""
    import torch

    with torch.inference_mode():
        if name == "mini":
            model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
            return Network(name, model, clip, vae, MINI_SIDE)
        family, dtype = FAMILIES[name], torch.float32 if DEVICE == "cpu" else torch.float16
        side = family.tested if DEVICE == "cpu" else family.pixels
        return Network(name, random_model(family, dtype), random_clip(family), random_vae(), side)
