"""Load the shipped files into the classes they were trained as: the report measures what users get."""

from __future__ import annotations

from safetensors.torch import load_file
from torch import Tensor, nn

from dev.host.launch import make_importable
from mini.checkpoint import CHECKPOINT, FILES

from .text import MiniText
from .unet import build_unet
from .vae import MiniVAE

PREFIXES = ("first_stage_model.", "cond_stage_model.transformer.text_model.", "model.diffusion_model.")


def load_shipped() -> tuple[MiniVAE, MiniText, nn.Module]:
    """Autoencoder, text encoder and U-Net of mini/files: float32, frozen, ready to generate images."""
    make_importable()
    weights = {k: v.float() for k, v in load_file(FILES / CHECKPOINT).items()}
    vae, text, unet = (_part(weights, prefix) for prefix in PREFIXES)
    models = MiniVAE(), MiniText(len(text["embeddings.token_embedding.weight"]) - 1, 1, 1), build_unet()
    models[0].load_state_dict({k: v for k, v in vae.items() if k.startswith("taesd_")})
    prefix = "text_model." if any(k.startswith("text_model.") for k in models[1].clip.state_dict()) else ""
    missing = (
        models[1].clip.load_state_dict({prefix + k: v for k, v in text.items()}, strict=False).missing_keys
    )
    if any(not key.endswith("position_ids") for key in missing):
        raise ValueError(f"The shipped checkpoint lacks {missing}: run `make mini` again.")
    models[2].load_state_dict(unet)
    return tuple(model.eval().requires_grad_(False) for model in models)


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
