"""Registers the bundled miniature with the host, so that the stock CheckpointLoaderSimple loads it, and its
LoRA, for the stock LoraLoader.

The checkpoint has SD1's key layout. Two parts are smaller in the file than the host expects, and padded when
loaded: the token table (only the rows in use, and one row that all other tokens share) and the autoencoder
(fewer than TAESD's 64 channels; padding a ReLU network with zeros does not change its output).
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

FILES = Path(__file__).parent / "files"
LORAS = Path(__file__).parent / "loras"
CHECKPOINT, LORA = "mace_mini_sd.safetensors", "mace_mini_cyanotype.safetensors"
TEXT_CONFIG = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 49407,
    "vocab_size": 49408,
}
UNET_CONFIG = {
    "context_dim": 128,
    "model_channels": 64,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
}
HEADS = {"num_heads": 4, "num_head_channels": -1}
TOKEN_IDS = "mini_token_ids"  # [rows - 1] int32: CLIP token id per row; other tokens share the last row
EMBEDDING = "embeddings.token_embedding.weight"


def full_vocabulary(rows: Tensor, token_ids: Tensor) -> Tensor:
    """The token table `[49408, d]` from its stored `rows` `[n + 1, d]` and their `token_ids` `[n]`."""
    table = rows[-1:].repeat(TEXT_CONFIG["vocab_size"], 1)
    table[token_ids.long()] = rows[:-1]
    return table


def widened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Autoencoder `weights`, padded with zeros to TAESD's 64 channels, except image and latent channels."""
    last = {
        half: max(int(k.split(".")[1]) for k in weights if k.startswith(half)) for half in _halves(weights)
    }
    return {key: _pad(key, value, last) for key, value in weights.items()}


def _halves(weights: dict[str, Tensor]) -> set[str]:
    return {key.split(".")[0] for key in weights if key.startswith("taesd_")}


def _pad(key: str, value: Tensor, last: dict[str, int]) -> Tensor:
    half, *path = key.split(".")
    if half not in last:
        return value
    index, outer = int(path[0]), len(path) == 2  # convolutions inside blocks have longer paths
    first = 0 if half == "taesd_encoder" else 1
    shape = list(value.shape)
    if not (outer and index == last[half]):
        shape[0] = 64
    if value.dim() == 4 and not (outer and index == first):
        shape[1] = 64
    padded = value.new_zeros(shape)
    padded[tuple(slice(n) for n in value.shape)] = value
    return padded


def register() -> None:
    """Add the bundled checkpoint and LoRA to the host's lists, and the model class. Loads no weights."""
    import comfy.supported_models
    import folder_paths

    folder_paths.add_model_folder_path("checkpoints", str(FILES))
    folder_paths.add_model_folder_path("loras", str(LORAS))
    models = comfy.supported_models.models
    if not any(model.unet_config == UNET_CONFIG for model in models):
        models.append(_model_class())


def _model_class() -> type:
    import comfy.sd1_clip
    import comfy.supported_models
    from comfy.supported_models_base import ClipTarget

    class MiniTextEncoder(comfy.sd1_clip.SDClipModel):
        def __init__(self, device="cpu", dtype=None, model_options=None):
            options = dict(model_options or {})
            super().__init__(
                device=device,
                dtype=dtype,
                textmodel_json_config=dict(TEXT_CONFIG),
                return_projected_pooled=False,
                model_options=options,
            )

    class MiniClip(comfy.sd1_clip.SD1ClipModel):
        def __init__(self, device="cpu", dtype=None, model_options=None):
            super().__init__(
                device=device, dtype=dtype, model_options=model_options or {}, clip_model=MiniTextEncoder
            )

    class MiniSD(comfy.supported_models.SD15):
        unet_config = UNET_CONFIG
        unet_extra_config = HEADS

        def process_clip_state_dict(self, state_dict) -> dict[str, Tensor]:
            weights = super().process_clip_state_dict(state_dict)
            token_ids = weights.pop(f"clip_l.{TOKEN_IDS}", None)
            if token_ids is not None:
                key = f"clip_l.transformer.text_model.{EMBEDDING}"
                weights[key] = full_vocabulary(weights[key], token_ids)
            return weights

        def process_vae_state_dict(self, state_dict) -> dict[str, Tensor]:
            return widened(state_dict)

        def clip_target(self, state_dict=None) -> ClipTarget:
            return ClipTarget(comfy.sd1_clip.SD1Tokenizer, MiniClip)

    return MiniSD
