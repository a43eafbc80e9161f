"""Drawing with the host's own sampler, and pictures to latents and back through its VAE."""

import comfy.sample
import torch

from .checks import require_finite
from .memory import in_parts

SAMPLER, SCHEDULER = "euler", "normal"
BATCH = 8
CHANNELS, PIXELS = 4, 8  # of a latent, a side of one: in every family MACE edits

NAN_DRAWN = (
    "This MODEL draws NaN or infinity in place of a picture: its weights, or a LoRA on them, are "
    "damaged or too large for its precision; load it with another weight_dtype, or another file."
)
NAN_DECODED = (
    "This VAE makes NaN or infinity of sound {}: its file is damaged, or it needs more precision; "
    "start ComfyUI with --fp32-vae, or load another VAE."
)


def draw_latents(model, positive, negative, count, size, steps, cfg, seed, on_step) -> torch.Tensor:
    """`count` latents for one prompt. Image i depends on the seed and i alone, whatever else is drawn."""
    width, height = size

    def draw(start, number):
        seeds = [(seed + i) % 2**64 for i in range(start, start + number)]
        empty = torch.zeros(number, 4, height // 8, width // 8)
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

    latents = torch.stack(in_parts(count, BATCH, draw, f"to draw a picture of {width} x {height}"))
    require_finite(latents, NAN_DRAWN)
    return latents


def size_of(latent: dict) -> tuple[int, int]:
    """Width and height in pixels of a LATENT."""
    height, width = latent["samples"].shape[-2:]
    return width * PIXELS, height * PIXELS


def drawn_latents(latent: dict) -> torch.Tensor:
    """The content of a LATENT, refused where it is that of another family or holds NaN."""
    samples = latent["samples"]
    if samples.ndim != 4 or samples.shape[1] != CHANNELS:
        raise ValueError(
            f"This LATENT has the shape {list(samples.shape)}, a MODEL that MACE edits reads "
            f"[n, {CHANNELS}, height, width]: make it with this checkpoint's VAE and MODEL."
        )
    require_finite(samples, "This LATENT holds NaN or infinity: look at the node it comes from.")
    return samples


def check_vae(vae) -> None:
    """Refuse a VAE of another family before any work, as far as it tells what it is."""
    channels, dimensions = (
        getattr(vae, name, usual) for name, usual in (("latent_channels", CHANNELS), ("latent_dim", 2))
    )
    if channels != CHANNELS or dimensions != 2:
        raise _other_vae(f"latents of {channels} channels in {dimensions} dimensions")


def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Images [n, H, W, 3] in 0..1, H and W eight times those of the latents."""
    check_vae(vae)
    images = vae.decode(latents)
    size = [len(latents), *(side * PIXELS for side in latents.shape[-2:]), 3]
    if list(images.shape) != size:
        raise _other_vae(f"pictures of {list(images.shape)} where {size} is expected")
    require_finite(images, NAN_DECODED.format("latents"))
    return images


def encode(vae, images: torch.Tensor) -> torch.Tensor:
    """Latents [n, 4, h, w] of images [n, H, W, 3 or more] in 0..1."""
    check_vae(vae)
    require_finite(images, "The pictures hold NaN or infinity: look at the node they come from.")
    latents = vae.encode(images[..., :3])
    size = [len(images), CHANNELS, *(side // PIXELS for side in images.shape[1:3])]
    if list(latents.shape) != size:
        raise _other_vae(f"latents of {list(latents.shape)} where {size} is expected")
    require_finite(latents, NAN_DECODED.format("pictures"))
    return latents


def _other_vae(makes: str) -> ValueError:
    return ValueError(
        f"This VAE makes {makes}, so it is not of a family that MACE edits: "
        "connect the VAE of the same checkpoint."
    )
