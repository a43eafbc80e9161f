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


POOLED, FIRST = 32, "add_embedding.linear_1"


@pytest.fixture
def sdxl(comfy):
    """Small versions of SDXL's blocks: as diffusers has them, edited by hand, and what an export gets."""
    from diffusers import UNet2DConditionModel

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
    edited = copy.deepcopy(unet)
    T, up, down = torch.eye(48) + torch.randn(48, 48) / 4, torch.randn(POOLED, 5), torch.randn(5, POOLED)
    core, gates = (comfy.module(f"mace_core.erasure.{name}") for name in ("erasure", "gate"))
    pooled = comfy.module("mace_core.erasure.pooled")
    ramps = torch.tensor([0.0, 1.0])[:, None]
    own = pooled.PooledGate(torch.zeros(POOLED), torch.zeros(POOLED, 1), torch.zeros(1, POOLED), ramps)
    tokens = torch.zeros(3, 48), torch.eye(48), torch.zeros(3, 1, 48), ramps.repeat(4, 1, 1)
    gate = gates.Gate(*tokens, pooled=own)
    erasure = core.Erasure(T, core.LowRank(), (), gate=gate, pooled=pooled.PooledEdit(up, down))
    for module in projections_of(edited).values():
        module.weight.data @= T
    first = edited.get_submodule(FIRST).weight.data
    first[:, :POOLED] += first[:, :POOLED] @ up @ down
    weights = [(name, name, module.weight.detach()) for name, module in projections_of(unet).items()]
    weights.append((pooled.LAYER, FIRST, unet.get_submodule(FIRST).weight.detach()))
    files = comfy.module("mace_core.erasure.export")

    def export(form, path):
        files.export_erasure(erasure, weights, files.ExportSettings(form, 48), path)

    return SimpleNamespace(unet=unet, before=predicted(unet), after=predicted(edited), export=export)


def test_an_sdxl_lora_in_diffusers_is_the_edit(sdxl, tmp_path):
    """Loaded by the SDXL pipeline's LoRA loader; the first layer of label_emb too."""
    import safetensors.torch
    from diffusers import StableDiffusionXLPipeline

    sdxl.export("LoRA", tmp_path / "xl.safetensors")
    tensors = safetensors.torch.load_file(tmp_path / "xl.safetensors")
    assert "lora_unet_label_emb_0_0.lora_up.weight" in tensors
    state, alphas = StableDiffusionXLPipeline.lora_state_dict(tensors, unet_config=sdxl.unet.config)
    StableDiffusionXLPipeline.load_lora_into_unet(state, alphas, sdxl.unet)
    # at full rank, only float32 rounding remains, in the factors and in W + U D
    assert apart(predicted(sdxl.unet), sdxl.after) < 1e-4 < apart(sdxl.before, sdxl.after) / 10


def test_an_sdxl_adapter_in_peft_is_the_edit(sdxl, tmp_path):
    from peft import PeftModel

    sdxl.export("PEFT adapter", tmp_path / "xl")
    adapted = PeftModel.from_pretrained(sdxl.unet, str(tmp_path / "xl"))
    assert apart(predicted(adapted), sdxl.after) < 1e-4 < apart(sdxl.before, sdxl.after) / 10


def test_the_first_layer_of_label_emb_has_diffusers_name(comfy):
    named = comfy.module("nodes.host.diffusers_names").named_for_diffusers
    assert named(["diffusion_model.label_emb.0.0"], SDXL) == {FIRST: "diffusion_model.label_emb.0.0"}


def predicted(unet) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    z, context = torch.randn(1, 4, 16, 16, generator=g), torch.randn(1, 7, 48, generator=g)
    added = {"text_embeds": torch.randn(1, 32, generator=g), "time_ids": torch.randn(1, 6, generator=g)}
    with torch.no_grad():
        return unet(z, 500, encoder_hidden_states=context, added_cond_kwargs=added).sample
