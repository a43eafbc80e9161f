"""What an export needs from the host: names of layers in diffusers, and effective weights."""

from collections.abc import Iterator

import comfy.utils
import torch

from ...mace_core.erasure.pooled import LAYER
from .checks import require_finite
from .patch import FAMILIES, PREFIX, apply_erasure, cross_attention_layers, edits_pooled
from .weights import weight_in_force


def projections(model, erasure) -> dict[str, str]:
    """The layers of a MODEL that the erasure edits: name in diffusers -> layer name.

    Raises ValueError if the erasure does not fit the MODEL or is already applied to it.
    """
    apply_erasure(model, erasure)
    layers = [*cross_attention_layers(model), *([LAYER] if edits_pooled(model, erasure) else [])]
    return named_for_diffusers(layers, model.model.model_config.unet_config)


def named_for_diffusers(layers, unet_config: dict) -> dict[str, str]:
    # The host's table is a set, and names label_emb twice: SDXL's add_embedding comes before class_embedding.
    table = sorted(comfy.utils.unet_to_diffusers(unet_config).items(), reverse=True)
    names = {key: name for name, key in table}
    named = {}
    for layer in layers:
        key = f"{layer.removeprefix(PREFIX)}.weight"
        if key not in names:
            raise ValueError(
                f"Layer {layer} of this MODEL has no name in diffusers, so other programs "
                f"cannot load it: export for {FAMILIES}."
            )
        named[names[key].removesuffix(".weight")] = layer
    return named


def effective_weights(model, layers: dict[str, str]) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Yield (layer, name in diffusers, weight `[o, d]` float32 on the CPU), with all patches applied.

    Raises ValueError if a weight contains NaN or infinity.
    """
    for module, layer in layers.items():
        W = weight_in_force(model, f"{layer}.weight")
        require_finite(
            W,
            f"Layer {layer} of this MODEL contains NaN or infinity, so nothing was exported: the "
            "checkpoint or a LoRA before this node is damaged, so load another one.",
        )
        yield layer, module, W
