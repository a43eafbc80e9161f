"""What an export needs of the host: a place in its output folder, effective weights, diffusers' names."""

from collections.abc import Iterator

import comfy.utils
import torch

from .checks import require_finite
from .patch import FAMILIES, PREFIX, apply_erasure, cross_attention_layers
from .weights import weight_in_force


def projections(model, erasure) -> dict[str, str]:
    """Layers by diffusers' names of them. Refuses a MODEL that the erasure does not fit or that has it."""
    apply_erasure(model, erasure)
    return named_for_diffusers(cross_attention_layers(model), model.model.model_config.unet_config)


def named_for_diffusers(layers, unet_config: dict) -> dict[str, str]:
    names = {key: name for name, key in comfy.utils.unet_to_diffusers(unet_config).items()}
    named = {}
    for layer in layers:
        key = f"{layer.removeprefix(PREFIX)}.weight"
        if key not in names:
            raise ValueError(
                f"The layer {layer} of this MODEL has no name outside this host, so no other "
                f"program could load it: export for one of {FAMILIES}."
            )
        named[names[key].removesuffix(".weight")] = layer
    return named


def effective_weights(model, layers: dict[str, str]) -> Iterator[tuple[str, str, torch.Tensor]]:
    """(layer, module, weight in float32 on the CPU) as on the wire, LoRAs in front included."""
    for module, layer in layers.items():
        W = weight_in_force(model, f"{layer}.weight")
        require_finite(
            W,
            f"The layer {layer} of this MODEL holds NaN or infinity, so nothing was exported: "
            "its file is damaged, or a LoRA in front of this node is; use another.",
        )
        yield layer, module, W
