"""Every family in miniature: the host's own classes and layouts with a few million random weights."""

from __future__ import annotations

import torch

from dev.fullsize.families import FAMILIES, network, randomise

UNET = {"model_channels": 64, "channel_mult": (1, 2), "num_res_blocks": [1, 1], "context_dim": 64}
SD = {
    **UNET,
    "transformer_depth": [1, 1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1],
}
SDXL = {
    **UNET,
    "transformer_depth": [0, 2],
    "transformer_depth_middle": 3,
    "transformer_depth_output": [0, 0, 2, 2],
    "context_dim": 128,
    "adm_in_channels": 64 + 6 * 256,
}
TINY = {
    "sd15": ("sd15", SD),
    "sd15 inpainting": ("sd15", SD | {"in_channels": 9}),
    "sd21": ("sd21", SD),
    "sdxl": ("sdxl", SDXL),
    "sdxl inpainting": ("sdxl", SDXL | {"in_channels": 9}),
}
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 3}


def tiny_model(name: str, dtype=torch.float32, compute=None):
    """A MODEL created in inference mode, as the executor does."""
    from comfy.model_patcher import ModelPatcher

    family, changes = TINY[name]
    with torch.inference_mode():
        model = network(FAMILIES[family], dtype, compute, **changes)
        randomise(model.diffusion_model)
        return ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def tiny_clip(name: str):
    """A CLIP with the family's own tokenizers, output layer and padding; SDXL has two text encoders."""
    import comfy.sd
    import comfy.supported_models

    family = FAMILIES[TINY[name][0]]
    target = getattr(comfy.supported_models, family.config)(family.unet).clip_target({})
    configs = {f"{encoder}_model_config": TEXT for encoder in ("clip_l", "clip_g", "clip_h")}
    with torch.inference_mode():
        clip = comfy.sd.CLIP(target, model_options={"dtype": torch.float32, **configs})
        randomise(clip.cond_stage_model, seed=1)
    return clip
