"""Generates latents with the host's sampler, and encodes and decodes images with its VAE."""

import comfy.sample
import torch

from .checks import require_finite
from .memory import in_parts, joined

SAMPLER, SCHEDULER = "euler", "normal"
BATCH = 8
CHANNELS, PIXELS = 4, 8  # latent channels, pixels per latent position: in every family that MACE edits

NAN_DRAWN = (
    "This MODEL generates NaN or infinity instead of an image: its weights, or a LoRA on them, are "
    "damaged or too large for its precision; load it with another weight_dtype, or load another file."
)
NAN_DECODED = (
    "This VAE returned NaN or infinity for valid {}: its file is damaged, or it needs more precision; "
    "start ComfyUI with --fp32-vae, or load another VAE."
)


def draw_latents(model, positive, negative, count, size, steps, cfg, seed, on_step) -> torch.Tensor:
    """`count` latents `[count, 4, h, w]` for one prompt; size: width and height in pixels.

    Image i depends only on the prompt, the settings and seed + i, not on the batch. Raises ValueError if the
    latents contain NaN or memory runs out.
    """
    width, height = size

    def draw(start, number) -> torch.Tensor:
        seeds = [(seed + i) % 2**64 for i in range(start, start + number)]
        empty = torch.zeros(number, CHANNELS, height // PIXELS, width // PIXELS)
        empty = comfy.sample.fix_empty_latent_channels(model, empty)
        noise = torch.cat([comfy.sample.prepare_noise(empty[:1], one) for one in seeds])
        return comfy.sample.sample(
            model,
            noise,
            steps,
            cfg,
            SAMPLER,
            SCHEDULER,
            positive,
            negative,
            empty,
            callback=lambda step, x0, x, total: on_step(number),
            disable_pbar=True,
            seed=seeds[0],
        )

    latents = torch.stack(in_parts(count, BATCH, draw, f"to generate an image of {width} x {height}"))
    require_finite(latents, NAN_DRAWN)
    return latents


def size_of(latent: dict) -> tuple[int, int]:
    """Width and height of a LATENT in pixels."""
    height, width = latent["samples"].shape[-2:]
    return width * PIXELS, height * PIXELS


def drawn_latents(latent: dict) -> torch.Tensor:
    """The samples `[n, 4, h, w]` of a LATENT. Raises ValueError for another shape, NaN or infinity."""
    samples = latent["samples"]
    if samples.ndim != 4 or samples.shape[1] != CHANNELS:
        raise ValueError(
            f"This LATENT has the shape {list(samples.shape)}, but must have the shape "
            f"[n, {CHANNELS}, height, width]: make it with the VAE and MODEL of this checkpoint."
        )
    require_finite(samples, "This LATENT contains NaN or infinity: check the node it comes from.")
    return samples


def check_vae(vae) -> None:
    """Raise ValueError if the VAE declares latents other than 4 channels in 2 dimensions.

    A VAE that declares nothing passes here; `encode` and `decode` check its results.
    """
    channels, dimensions = (
        getattr(vae, name, usual) for name, usual in (("latent_channels", CHANNELS), ("latent_dim", 2))
    )
    if channels != CHANNELS or dimensions != 2:
        raise _other_vae(f"latents with {channels} channels in {dimensions} dimensions")


def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Images `[n, 8 h, 8 w, 3]` in 0..1 of latents `[n, 4, h, w]`.

    Raises ValueError for a VAE of another family, NaN or infinity, or if memory runs out.
    """
    check_vae(vae)
    height, width = (side * PIXELS for side in latents.shape[-2:])
    images = joined(latents, vae.decode, f"to decode an image of {width} x {height}")
    size = [len(latents), height, width, 3]
    if list(images.shape) != size:
        raise _other_vae(f"images of shape {list(images.shape)} instead of {size}")
    require_finite(images, NAN_DECODED.format("latents"))
    return images


def encode(vae, images: torch.Tensor) -> torch.Tensor:
    """Latents `[n, 4, H / 8, W / 8]` of images `[n, H, W, 3 or more]` in 0..1.

    Raises ValueError for a VAE of another family, NaN or infinity, or if memory runs out.
    """
    check_vae(vae)
    require_finite(images, "The images contain NaN or infinity: check the node they come from.")
    height, width = images.shape[1:3]
    latents = joined(images[..., :3], vae.encode, f"to encode an image of {width} x {height}")
    size = [len(images), CHANNELS, height // PIXELS, width // PIXELS]
    if list(latents.shape) != size:
        raise _other_vae(f"latents of shape {list(latents.shape)} instead of {size}")
    require_finite(latents, NAN_DECODED.format("images"))
    return latents


def _other_vae(makes: str) -> ValueError:
    return ValueError(
        f"This VAE produces {makes}, so it does not belong to a model family that MACE edits: "
        "connect the VAE of the same checkpoint."
    )
