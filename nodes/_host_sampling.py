"""Drawing with the host's own sampler, and pictures to latents and back through its VAE."""

import comfy.sample
import torch

from ._host_memory import in_parts

SAMPLER, SCHEDULER = "euler", "normal"
BATCH = 8


def draw_latents(model, positive, negative, count, size, steps, cfg, seed, on_step) -> torch.Tensor:
    """`count` latents for one prompt. Image i depends on the seed and i alone, whatever else is drawn."""
    width, height = size

    def draw(start, number):
        seeds = [(seed + i) % 2**64 for i in range(start, start + number)]
        empty = torch.zeros(number, 4, height // 8, width // 8)
        empty = comfy.sample.fix_empty_latent_channels(model, empty)
        noise = torch.cat([comfy.sample.prepare_noise(empty[:1], one) for one in seeds])
        return comfy.sample.sample(
            model, noise, steps, cfg, SAMPLER, SCHEDULER, positive, negative, empty,
            callback=lambda step, x0, x, total: on_step(number), disable_pbar=True, seed=seeds[0])

    return torch.stack(in_parts(count, BATCH, draw, f"to draw a picture of {width} x {height}"))


def size_of(latent: dict) -> tuple[int, int]:
    """Width and height in pixels of a LATENT."""
    height, width = latent["samples"].shape[-2:]
    return width * 8, height * 8


def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Images [n, H, W, 3] in 0..1."""
    return vae.decode(latents)


def encode(vae, images: torch.Tensor) -> torch.Tensor:
    return vae.encode(images[..., :3])
