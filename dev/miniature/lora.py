"""`make mini-lora`: trains mini/loras/mace_mini_cyanotype.safetensors, a LoRA that is easy to recognise.

The training images are the miniature's own, one per nameable concept and seed, printed in blue.
The template with a LoRA needs one that fits the miniature.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file
from torch import Tensor, nn

from mini.checkpoint import LORA, LORAS

from .contexts import empty_context
from .figures.artist import Artist, plain_prompt
from .loop import Schedule, train
from .stages import WORK
from .unet import alphas_cumprod, unet_loss
from .world import load_world

RANK, SEEDS = 4, (1, 2)
LAYERS = r".*(attn2\.(to_[qkv]|to_out\.0)|proj_in|proj_out|out_layers\.3)"
SCHEDULE = Schedule(steps=400, learning_rate=3e-3, warmup=20, weight_decay=0.0, ema=0.97, save_every=100)
BATCH, UNPROMPTED = 16, 0.15  # the share of examples without a prompt, for classifier-free guidance
INK, PAPER = (0.02, 0.14, 0.45), (0.92, 0.97, 1.0)
BRIGHTNESS = (0.299, 0.587, 0.114)


def cyanotype(pictures: Tensor) -> Tensor:
    """Images [n, h, w, 3] in 0..1 in shades from blue ink to white paper."""
    ink, paper = torch.tensor(INK), torch.tensor(PAPER)
    return torch.lerp(ink, paper, (pictures @ torch.tensor(BRIGHTNESS)).unsqueeze(-1))


def adapted(unet: nn.Module) -> nn.Module:
    """The U-Net with a LoRA that does nothing yet; only the LoRA can be trained."""
    settings = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LAYERS)
    return inject_adapter_in_model(settings, unet)


@torch.no_grad()
def training_images(artist: Artist) -> tuple[Tensor, Tensor]:
    """Latents [n, 4, 8, 8] of the images as cyanotypes, and the embeddings [n, 77, 128] of their prompts."""
    contexts = artist.contexts([plain_prompt(thing) for thing in artist.nameable])
    drawn = torch.cat([artist.draw(contexts, seed) for seed in SEEDS])
    latents = artist.vae.encode(cyanotype(drawn).permute(0, 3, 1, 2))
    return latents, contexts.repeat(len(SEEDS), 1, 1)


def weights(unet: nn.Module) -> dict[str, Tensor]:
    """The LoRA in float16, under the names of kohya's trainers, which every program reads."""
    named = {}
    for key, value in get_peft_model_state_dict(unet).items():
        layer, factor = key.removesuffix(".weight").rsplit(".", 1)
        layer = "lora_unet_" + layer.replace(".", "_")
        named[f"{layer}.{'lora_down' if factor == 'lora_A' else 'lora_up'}.weight"] = (
            value.half().contiguous()
        )
        named[f"{layer}.alpha"] = torch.tensor(float(RANK))
    return named


def main() -> Path:
    """Train the LoRA, or resume, and write it. Returns its path."""
    torch.manual_seed(0)
    artist = Artist.load(load_world())
    empty, schedule = empty_context(artist.text), alphas_cumprod()
    latents, contexts = training_images(artist)  # by the original U-Net, before it gets its LoRA

    def loss_at(_step: int, generator: torch.Generator) -> tuple:
        chosen = torch.randint(len(latents), (BATCH,), generator=generator)
        dropped = torch.rand(BATCH, 1, 1, generator=generator) < UNPROMPTED
        told = torch.where(dropped, empty, contexts[chosen])
        return unet_loss(unet, latents[chosen], told, schedule, generator)

    unet = adapted(artist.unet).train()
    WORK.mkdir(parents=True, exist_ok=True)
    trained = train(unet, loss_at, SCHEDULE, WORK / "lora.pt")
    LORAS.mkdir(exist_ok=True)
    partial = (LORAS / LORA).with_suffix(".partial")
    save_file(weights(trained), partial, {"format": "pt", "licence": "Apache-2.0; see NOTICE"})
    os.replace(partial, LORAS / LORA)
    return LORAS / LORA
