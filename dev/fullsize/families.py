"""The model families that MACE edits, built from the host's own classes with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SD1 = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": (1, 2, 4, 4),
    "transformer_depth": [1] * 6 + [0] * 2,
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "context_dim": 768,
    "num_heads": 8,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
}
_SD2 = _SD1 | {
    "context_dim": 1024,
    "num_head_channels": 64,
    "num_heads": -1,
    "use_linear_in_transformer": True,
}
_SDXL = _SD2 | {
    "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4),
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "context_dim": 2048,
    "adm_in_channels": 2816,
    "num_classes": "sequential",
}
_VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
# the host detects v-prediction in SD2 by the standard deviation of this tensor
_V_MARK = "output_blocks.11.1.transformer_blocks.0.norm1.bias"


@dataclass(frozen=True)
class Family:
    """config: name of the class in comfy.supported_models; d: width of the text embeddings; pixels: the
    family's image size; tested: the image size at which the stages run on a CPU; widths: number of attn2
    projections by output width."""

    name: str
    config: str
    unet: dict
    d: int
    pixels: int
    tested: int
    widths: dict[int, int]
    v_prediction: bool = False
    marks: dict = field(default_factory=dict)


FAMILIES = {
    "sd15": Family("SD1.5", "SD15", _SD1, 768, 512, 512, {320: 10, 640: 10, 1280: 12}),
    "sd21": Family("SD2.1 (v-prediction)", "SD20", _SD2, 1024, 768, 512, {320: 10, 640: 10, 1280: 12}, True),
    "sdxl": Family("SDXL", "SDXL", _SDXL, 2048, 1024, 512, {640: 20, 1280: 120}),
}


def network(family: Family, dtype, compute=None, device="cpu", **changes):
    """The host's model object for a family. dtype: of the stored weights; compute: for computing.

    changes: overrides of the U-Net's configuration (in_channels=9 is the inpainting variant).
    """
    import comfy.supported_models
    import torch

    config = getattr(comfy.supported_models, family.config)(family.unet | changes)
    config.set_inference_dtype(dtype, compute)
    weights = {_V_MARK: torch.tensor([-1.0, 1.0])} if family.v_prediction else {}
    with with_weights():
        return config.get_model(weights, device=device)


@contextmanager
def with_weights() -> Iterator[None]:
    """Modules get weights when they are made. A host with dynamic VRAM would wait for those of a file."""
    try:
        import comfy.memory_management as memory
    except ImportError:  # older hosts
        yield
        return
    before, memory.aimdo_enabled = getattr(memory, "aimdo_enabled", False), False
    try:
        yield
    finally:
        memory.aimdo_enabled = before


def randomise(module, seed: int = 0) -> None:
    """Fill a module with random weights in place: scaled by fan-in, norms at 1, small biases.

    Activations stay of order 1. The weights are slices of one long row of random numbers: this takes seconds,
    whereas sampling billions of numbers takes minutes.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    row, start = (
        torch.rand(4_194_301, generator=generator) * 2 - 1,
        0,
    )  # a prime, so that no two weights are equal
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1 and name.endswith("weight"):
            spread, mean = 0.0, 1.0
        else:
            spread = (3 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.02
            mean = 0.0
        flat = parameter.detach().view(-1)
        for piece in flat.split(len(row) // 2):
            start = (start + 7919) % (len(row) // 2)
            piece.copy_(row[start : start + len(piece)] * spread + mean)


def random_model(family: Family, dtype, compute=None, **changes):
    """A MODEL with random weights, built as in the host's loaders: with dynamic VRAM if that is active."""
    import comfy.model_management as management
    import comfy.model_patcher

    model = network(family, dtype, compute, **changes)
    randomise(model.diffusion_model)
    if hasattr(management, "archive_model_dtypes"):
        management.archive_model_dtypes(model.diffusion_model)
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return patcher(model, management.get_torch_device(), management.unet_offload_device())


def random_clip(family: Family):
    """A full-size CLIP with random weights."""
    import comfy.sd
    import comfy.supported_models

    config = getattr(comfy.supported_models, family.config)(family.unet)
    with with_weights():
        clip = comfy.sd.CLIP(config.clip_target({}))
    randomise(clip.cond_stage_model, seed=1)
    return clip


def random_vae():
    """A full-size VAE with random weights; the host recognises it by its tensors."""
    import comfy.sd
    from comfy.ldm.models.autoencoder import AutoencoderKL

    with with_weights():
        vae = AutoencoderKL(ddconfig=_VAE, embed_dim=4)
    randomise(vae, seed=2)
    return comfy.sd.VAE(sd=vae.state_dict())
