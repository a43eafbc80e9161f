"""Assemble the shipped files: one checkpoint in SD1's key layout, and the judge as a CLIP folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mini.checkpoint import CHECKPOINT, FILES, TOKEN_IDS

from .text import MiniText
from .tokens import taught_tokens
from .vae import MiniVAE
from .world import load_world

LATENT_SCALE = 0.18215  # the host's scale factor for SD1 latents; ours have unit variance without it


def checkpoint_weights(vae: MiniVAE, text: MiniText, unet: nn.Module) -> dict[str, Tensor]:
    """Float16 weights under SD1's keys; mini/checkpoint.py pads vocabulary and autoencoder on load."""
    weights = {f"model.diffusion_model.{k}": v for k, v in unet.state_dict().items()}
    weights |= {f"first_stage_model.{k}": v for k, v in vae.state_dict().items()}
    weights["first_stage_model.vae_scale"] = torch.tensor(LATENT_SCALE)
    weights["first_stage_model.vae_shift"] = torch.tensor(0.0)
    for key, value in text.clip.state_dict().items():
        if not key.endswith("position_ids"):
            weights[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    weights = {k: v.half().contiguous() for k, v in weights.items()}
    weights["first_stage_model.vae_scale"] = torch.tensor(LATENT_SCALE)
    weights[f"cond_stage_model.{TOKEN_IDS}"] = torch.tensor(taught_tokens(load_world()), dtype=torch.int32)
    return weights


def write_checkpoint(vae: MiniVAE, text: MiniText, unet: nn.Module) -> Path:
    FILES.mkdir(exist_ok=True)
    path = FILES / CHECKPOINT
    partial = path.with_suffix(".partial")
    save_file(
        checkpoint_weights(vae, text, unet), partial, {"format": "pt", "licence": "Apache-2.0; see NOTICE"}
    )
    os.replace(partial, path)
    return path


def write_judge(judge: nn.Module, tokenizer_folder: Path) -> Path:
    """Write config.json, model.safetensors (float16), tokenizer files and preprocessor_config.json."""
    folder = FILES / "judge"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_folder / name, folder / name)
    wants = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"shortest_edge": 64}, "crop_size": 64}
    (folder / "preprocessor_config.json").write_text(json.dumps(wants, indent=1) + "\n")
    judge.half().save_pretrained(folder)
    judge.float()
    return folder
