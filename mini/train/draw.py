"""Draw with the trained parts directly (deterministic DDIM), to look at the miniature without the host."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .contexts import empty_context
from .text import MiniText
from .unet import alphas_cumprod
from .vae import MiniVAE

STEPS, CFG = 20, 4.0


@torch.no_grad()
def draw_contexts(vae: MiniVAE, text: MiniText, unet: nn.Module, told: Tensor, seed: int) -> Tensor:
    """One picture per context of `told` [n, 77, 128]: [n, 64, 64, 3] in 0..1."""
    alphas, empty = alphas_cumprod(), empty_context(text)
    z = torch.randn(len(told), 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    context = torch.cat([empty.expand_as(told), told])
    times = torch.linspace(999, 0, STEPS + 1).round().long()
    for t, following in zip(times[:-1], times[1:], strict=True):
        without, wanted = unet(torch.cat([z, z]), t.expand(2 * len(z)), context=context).chunk(2)
        noise = without + CFG * (wanted - without)
        clean = (z - (1 - alphas[t]).sqrt() * noise) / alphas[t].sqrt()
        z = alphas[following].sqrt() * clean + (1 - alphas[following]).sqrt() * noise
    return vae.decode(z).clamp(0, 1).permute(0, 2, 3, 1)
