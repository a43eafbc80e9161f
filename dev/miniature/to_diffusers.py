"""The bundled miniature as a diffusers folder, to test this pack's exports in diffusers.

`write_pipeline(folder, tokenizer)` writes a folder for `StableDiffusionPipeline.from_pretrained(folder)`. It
needs `pip install diffusers`, which the pack itself does not require.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from mini.checkpoint import (
    CHECKPOINT,
    EMBEDDING,
    FILES,
    HEADS,
    TEXT_CONFIG,
    TOKEN_IDS,
    UNET_CONFIG,
    full_vocabulary,
    widened,
)

TEXT, VAE, UNET = "cond_stage_model.", "first_stage_model.", "model.diffusion_model."
SCHEDULE = {  # Stable Diffusion's, with deterministic steps of equal length down to the lowest noise
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
    "set_alpha_to_one": False, "timestep_spacing": "trailing", "steps_offset": 1,
}  # fmt: skip


def write_pipeline(folder: Path, tokenizer: Path, checkpoint: Path = FILES / CHECKPOINT) -> Path:
    """Write the miniature of `checkpoint` into `folder` in diffusers' layout, float32.

    `tokenizer` is a folder with CLIP's tokenizer (vocab.json, merges.txt), such as ComfyUI's own,
    comfy/sd1_tokenizer.
    """
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTokenizer

    if not (Path(tokenizer) / "vocab.json").is_file():
        raise ValueError(f"No CLIP tokenizer in {tokenizer}: name a folder with vocab.json and merges.txt.")
    weights = {key: _whole(value) for key, value in load_file(checkpoint).items()}
    pipeline = StableDiffusionPipeline(
        vae=autoencoder(_part(weights, VAE)),
        text_encoder=text_encoder(_part(weights, TEXT)),
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer, model_max_length=77),
        unet=unet(_part(weights, UNET)),
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return Path(folder)


def _whole(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def unet(weights: dict[str, Tensor]) -> nn.Module:
    """A UNet2DConditionModel with `weights`, whose keys are those of SD1 checkpoints."""
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    width = UNET_CONFIG["model_channels"]
    model = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(width, 2 * width),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=UNET_CONFIG["context_dim"],
        attention_head_dim=HEADS["num_heads"],  # diffusers' name for the number of heads
    )
    named = convert_ldm_unet_checkpoint({UNET + k: v for k, v in weights.items()}, config=dict(model.config))
    model.load_state_dict(named)
    return model.eval()


def autoencoder(weights: dict[str, Tensor]) -> nn.Module:
    """An AutoencoderTiny with `weights`; its latents have unit variance without scaling."""
    from diffusers import AutoencoderTiny

    named = {}
    for key, value in widened(weights).items():
        half, _, rest = key.partition(".")
        if half == "taesd_encoder":
            named[f"encoder.layers.{rest}"] = value
        elif half == "taesd_decoder":  # diffusers does not count the clamp of the latents as a layer
            index, _, rest = rest.partition(".")
            named[f"decoder.layers.{int(index) - 1}.{rest}"] = value
    model = AutoencoderTiny()
    model.load_state_dict(named)
    return model.eval()


def text_encoder(weights: dict[str, Tensor]) -> nn.Module:
    """A transformers CLIPTextModel with CLIP's whole vocabulary; untaught tokens share a row."""
    from transformers import CLIPTextConfig, CLIPTextModel

    named = _part(weights, "transformer.text_model.")
    named[EMBEDDING] = full_vocabulary(named[EMBEDDING], weights[TOKEN_IDS])
    special = {"bos_token_id": 49406, "pad_token_id": 49407}
    model = CLIPTextModel(CLIPTextConfig(**TEXT_CONFIG, **special))
    outer = "text_model." if any(k.startswith("text_model.") for k in model.state_dict()) else ""
    model.load_state_dict({outer + k: v for k, v in named.items()})
    return model.eval()
