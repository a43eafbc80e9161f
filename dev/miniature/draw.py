"""Generate images with the trained parts directly (deterministic DDIM), without the host."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .contexts import empty_context
from .text import MiniText
from .unet import alphas_cumprod
from .vae import MiniVAE

STEPS, CFG = 20, 4.0  # the same for every figure in the report


def times() -> list[int]:
    """The report's timesteps, from noise to image: those of DDIMScheduler with "trailing" spacing."""
    return [*range(999, 0, -1000 // STEPS), 0]


@torch.no_grad()
def denoise(unet: nn.Module, z: Tensor, told: Tensor, empty: Tensor) -> Tensor:
    """Latents [n, 4, 8, 8] from noise `z` by deterministic DDIM with classifier-free guidance.

    `told` [n, 77, d] are the contexts of the prompts, `empty` [1, 77, d] that of the empty prompt.
    """
    alphas, context = alphas_cumprod(), torch.cat([empty.expand_as(told), told])
    steps = torch.tensor(times())
    for t, following in zip(steps[:-1], steps[1:], strict=True):
        without, wanted = unet(torch.cat([z, z]), t.expand(2 * len(z)), context=context).chunk(2)
        noise = without + CFG * (wanted - without)
        clean = (z - (1 - alphas[t]).sqrt() * noise) / alphas[t].sqrt()
        z = alphas[following].sqrt() * clean + (1 - alphas[following]).sqrt() * noise
    return z


@torch.no_grad()
def draw_contexts(vae: MiniVAE, text: MiniText, unet: nn.Module, told: Tensor, seed: int) -> Tensor:
    """One image per context of `told` [n, 77, 128]: [n, 64, 64, 3] in 0..1."""
    z = torch.randn(len(told), 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return vae.decode(denoise(unet, z, told, empty_context(text))).clamp(0, 1).permute(0, 2, 3, 1)
