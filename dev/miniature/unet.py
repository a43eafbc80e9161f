"""The U-Net: the host's own class (so its key layout is correct by construction), trained like SD.

Stable Diffusion reads a concept from two sources: the embedding of its own word, and the end-of-text and
padding tokens, which attend to that word. MACE has two parts for this reason, so training makes the miniature
use both sources: in some examples only the concept's own tokens carry it, in a few only all other tokens do.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from dev.host.fetch import host_folder
from dev.host.launch import make_importable
from mini.checkpoint import HEADS, UNET_CONFIG

from .captions import Pieces
from .compose import Scene
from .world import World

FULL, WORD_ONLY = 0.50, 0.40  # shares of the examples; the rest: all tokens but the word's
SLOW = frozenset((
    "anchor", "axe", "butterfly", "camel", "castle", "crab", "deer", "dinosaur", "Elsa Lind", "fish",
    "football", "shirt", "shoe", "snail", "snowman", "turtle",
))  # fmt: skip
EMPTY = 0.10  # share of prompts dropped for classifier-free guidance


def build_unet() -> nn.Module:
    """The host's UNetModel at the miniature's size, newly initialised."""
    if str(host_folder()) not in sys.path:
        sys.path.insert(0, str(host_folder()))
    make_importable()
    from comfy.cli_args import args

    args.cpu = args.use_pytorch_cross_attention = True
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    unet = UNetModel(
        image_size=8, in_channels=4, out_channels=4, model_channels=UNET_CONFIG["model_channels"],
        context_dim=UNET_CONFIG["context_dim"], num_res_blocks=[2, 2], channel_mult=(1, 2), **HEADS,
        use_spatial_transformer=True, transformer_depth=[1] * 4, transformer_depth_middle=1,
        transformer_depth_output=[1] * 6, use_linear_in_transformer=False, legacy=False, dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    for module in unet.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            # torch's own initialisation: the host's class leaves the weights unset
            type(module).__mro__[1].reset_parameters(module)
        elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for name, parameter in unet.named_parameters():
        if "out_layers.3" in name or "proj_out" in name or name.startswith("out.2"):
            nn.init.zeros_(parameter)  # every block starts as the identity
    return unet


def alphas_cumprod() -> Tensor:
    """Stable Diffusion's scaled-linear schedule, [1000]."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
    return (1 - betas).cumprod(0).float()


def how_often(scenes: list[Scene], captions: list[Pieces], world: World) -> Tensor:
    """Sampling weight of each scene, [n].

    Low for faces, which the U-Net learns early; high for what it learns late: SLOW things, pairs, and styles
    that the caption names.
    """
    persons = {p.name for p in world.persons}
    return torch.tensor([
        (3.0 if _tells_its_style(scene, caption) else 1.0)
        * (1.6 if len(scene.things) == 2 else 1.0)
        * (2.5 if SLOW.intersection(scene.things) else 0.5 if persons.intersection(scene.things) else 1.0)
        for scene, caption in zip(scenes, captions, strict=True)
    ])  # fmt: skip


def _tells_its_style(scene: Scene, caption: Pieces) -> bool:
    return bool(scene.rendering) or scene.vendor in "".join(text for text, _ in caption)


def mixed_contexts(
    full: Tensor, neutral: Tensor, concept: Tensor, empty: Tensor, generator: torch.Generator
) -> Tensor:
    """Contexts [n, 77, d]: the concept in all tokens, in its own only, in all others only, or in none.

    full, neutral [n, 77, d]: embeddings of the captions, and with untaught words for the concept's (see
    contexts.py); concept [n, 77] bool.
    """
    draw = torch.rand(len(full), 1, generator=generator)
    from_full = torch.where(draw < FULL, True, torch.where(draw < FULL + WORD_ONLY, concept, ~concept))
    context = torch.where(from_full[..., None], full, neutral)
    dropped = torch.rand(len(full), 1, 1, generator=generator) < EMPTY
    return torch.where(dropped, empty, context)


def unet_loss(
    unet: nn.Module, z: Tensor, context: Tensor, schedule: Tensor, generator: torch.Generator
) -> tuple:
    """Noise prediction loss with min-SNR weights.

    Half of the timesteps are uniform, half are around 550, where shapes form. z [n, 4, 8, 8]: latents of
    unit variance.
    """
    n = len(z)
    around = (550 + 200 * torch.randn(n, generator=generator)).clamp(0, 999).long()
    t = torch.where(
        torch.rand(n, generator=generator) < 0.5, around, torch.randint(1000, (n,), generator=generator)
    )
    alpha = schedule[t].view(-1, 1, 1, 1)
    noise = torch.randn(z.shape, generator=generator)
    error = unet(alpha.sqrt() * z + (1 - alpha).sqrt() * noise, t, context=context) - noise
    snr = alpha / (1 - alpha)
    weight = snr.clamp(max=5) / snr
    mse = error.square().mean((1, 2, 3))
    return (weight.flatten() * mse).mean(), {"mse": mse.mean().item()}
