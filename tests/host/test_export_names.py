"""The names in exports match those of diffusers' own U-Nets, for every family."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tests.rounding import apart

SD1 = {
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
}
SD2 = SD1 | {"context_dim": 1024, "num_head_channels": 64, "num_heads": -1, "use_linear_in_transformer": True}
SDXL = SD2 | {
    "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4),
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "context_dim": 2048,
    "adm_in_channels": 2816,
    "num_classes": "sequential",
}

THEIR_SD2 = {
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
THEIR_SDXL = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@pytest.mark.parametrize(
    "ours, theirs, count",
    [
        (SD1, {"cross_attention_dim": 768}, 32),
        (SD2, THEIR_SD2, 32),
        (SDXL, THEIR_SDXL, 140),
    ],
    ids=["SD1", "SD2", "SDXL"],
)
def test_every_projection_has_diffusers_name_and_shape(comfy, ours, theirs, count):
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import manual_cast
    from diffusers import UNet2DConditionModel

    unet = UNetModel(**ours, image_size=32, device="meta", dtype=torch.float32, operations=manual_cast)
    weights = {f"diffusion_model.{name}": weight for name, weight in unet.state_dict().items()}
    model = SimpleNamespace(
        model=SimpleNamespace(diffusion_model=unet), model_state_dict=lambda prefix: weights
    )
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    named = comfy.module("nodes.host.diffusers_names").named_for_diffusers(layers, ours)
    with torch.device("meta"):
        modules = projections_of(UNet2DConditionModel(**theirs))
    assert {name: layers[layer] for name, layer in named.items()} == {
        name: tuple(module.weight.shape) for name, module in modules.items()
    }
    assert len(named) == count


def test_the_help_tells_how_large_full_differences_are(comfy, repository):
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import manual_cast

    def gigabytes(config) -> float:
        unet = UNetModel(**config, image_size=32, device="meta", dtype=torch.float32, operations=manual_cast)
        return (
            sum(
                4 * weight.numel()
                for name, weight in unet.state_dict().items()
                if name.endswith((".attn2.to_k.weight", ".attn2.to_v.weight"))
            )
            / 1e9
        )

    page = (repository / "web" / "docs" / "MACE_ExportErasure.md").read_text()
    assert f"{1000 * gigabytes(SD1):.0f} MB for SD1.x, {gigabytes(SDXL):.1f} GB for SDXL (float32)" in page


def projections_of(unet) -> dict[str, torch.nn.Linear]:
    return {
        name: module for name, module in unet.named_modules() if name.endswith((".attn2.to_k", ".attn2.to_v"))
    }


def test_an_sdxl_lora_in_diffusers_is_the_edit(comfy, tmp_path):
    """Small versions of SDXL's blocks, loaded by the SDXL pipeline's LoRA loader."""
    import safetensors.torch
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        **THEIR_SDXL
        | {
            "block_out_channels": (32, 64, 64),
            "transformer_layers_per_block": (1, 2, 3),
            "cross_attention_dim": 48,
            "attention_head_dim": (2, 4, 4),
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 80,
        }
    ).eval()
    edited, modules = copy.deepcopy(unet), projections_of(unet)
    T = torch.eye(48) + torch.randn(48, 48) / 4
    module = comfy.module("mace_core.erasure.erasure")
    erasure = module.Erasure(T, module.LowRank(), ())
    files = comfy.module("mace_core.erasure.export")
    weights = [(name, name, module.weight.detach()) for name, module in modules.items()]
    files.export_erasure(erasure, weights, files.ExportSettings("LoRA", 48), tmp_path / "xl.safetensors")
    for name, module in projections_of(edited).items():
        module.weight.data @= erasure.T
    before, after = (predicted(each) for each in (unet, edited))
    tensors = safetensors.torch.load_file(tmp_path / "xl.safetensors")
    state, alphas = StableDiffusionXLPipeline.lora_state_dict(tensors, unet_config=unet.config)
    StableDiffusionXLPipeline.load_lora_into_unet(state, alphas, unet)
    # at full rank, only float32 rounding remains, in the factors and in W + U D
    assert apart(predicted(unet), after) < 1e-4 < apart(before, after) / 10


def predicted(unet) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    z, context = torch.randn(1, 4, 16, 16, generator=g), torch.randn(1, 7, 48, generator=g)
    added = {"text_embeds": torch.randn(1, 32, generator=g), "time_ids": torch.randn(1, 6, generator=g)}
    with torch.no_grad():
        return unet(z, 500, encoder_hidden_states=context, added_cond_kwargs=added).sample
