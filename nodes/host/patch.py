"""Applies an Erasure as patches on a clone of a MODEL: on its weights, or gated (gated.py).

Bypassing the node undoes it. LoRAs before the node stay in effect.
"""

import re
from typing import Any
from weakref import WeakKeyDictionary

import torch
from comfy.model_base import SDXL, SDXLRefiner, Stable_Zero123, SVD_img2vid
from comfy.model_patcher import get_key_weight
from comfy.weight_adapter import WeightAdapterBase

from ...mace_core.concepts.concepts import canonical
from ...mace_core.erasure.erasure import Erasure, check_fits, edited
from ...mace_core.erasure.pooled import LAYER, check_pooled_fits, edited_pooled
from ...mace_core.files.shown import shown_each
from .gated import add_gated, add_gated_pooled, gated_erasures

PREFIX = "diffusion_model."
# U-Nets only: some video transformers also have an attn2, but use text encoders that MACE does not support
PROJECTION = r"diffusion_model\.(input|middle|output)_blocks?\..*\.attn2\.to_[kv]\.weight"
FAMILIES = "an SD1.x, SD2.x or SDXL checkpoint"
READ_PICTURES = (SVD_img2vid, Stable_Zero123)  # U-Nets whose attn2 reads an image instead of text
READ_POOLED = (SDXL, SDXLRefiner)  # U-Nets that read the pooled text vector

# dynamic VRAM pins the tensors of each adapter in one buffer on a GPU, and fails if there are none
NO_FACTORS = (torch.zeros(1),)
_T: WeakKeyDictionary[Erasure, dict[torch.device, torch.Tensor]] = WeakKeyDictionary()


class ErasurePatch(WeightAdapterBase):
    """The part of an erasure that edits one layer, on top of the patches before it, such as LoRAs.

    weights: the erasure, the layer name, and the layer's U and D, or NO_FACTORS. A host with dynamic VRAM
    builds a second adapter from `loaded_keys` and `weights`, with the tensors on the device. T is not in
    `weights` because all layers share it and the host would copy it for each.
    """

    name = "mace"

    def __init__(self, loaded_keys: set[str], weights: tuple):
        self.loaded_keys = loaded_keys
        self.weights = weights

    @classmethod
    def of(cls, erasure: Erasure, layer: str) -> "ErasurePatch":
        return cls(set(), (erasure, layer, *erasure.low_rank.get(layer, NO_FACTORS)))

    @property
    def erasure(self) -> Erasure:
        return self.weights[0]

    def calculate_weight(
        self,
        weight,
        key,
        strength,
        strength_model,
        offset,
        function,
        intermediate_dtype=torch.float32,
        original_weight=None,
    ) -> torch.Tensor:
        erasure, layer, *factors = self.weights
        if layer == LAYER:
            return edited_pooled(weight, erasure.pooled, strength).to(weight.dtype)
        check_fits(weight, layer, erasure)
        U_D = factors if len(factors) == 2 else None
        return edited(weight, T_on(erasure, weight.device), U_D, strength).to(weight.dtype)


def T_on(erasure: Erasure, device: torch.device) -> torch.Tensor:
    """T `[d, d]` on a device. All layers share one copy, which lives as long as the erasure."""
    copies = _T.setdefault(erasure, {})
    if device not in copies:
        copies[device] = erasure.T.to(device)
    return copies[device]


def cross_attention_layers(model) -> dict[str, tuple[int, int]]:
    """The text projections of a MODEL: layer name -> (o, d), in the order of the U-Net.

    Raises ValueError if the MODEL has no cross-attention to CLIP text.
    """
    layers = {}
    for key in model.model_state_dict(PREFIX):
        if re.fullmatch(PROJECTION, key):
            # not from the state dict, where quantised weights have packed shapes
            layers[key.removesuffix(".weight")] = tuple(get_key_weight(model.model, key)[0].shape)
    if not layers or isinstance(model.model, READ_PICTURES):
        family = type(model.model).__name__.replace("_", " ")
        raise ValueError(
            f"This MODEL is {family}, which has no cross-attention to CLIP text (attn2) for MACE "
            f"to edit: use {FAMILIES}."
        )
    return layers


def apply_erasure(model, erasure: Erasure, strength: float = 1.0, gated: bool = False) -> Any:
    """A clone of `model` with the erasure applied. With strength 0, the clone is bit-identical to `model`.

    gated: only where the erasure's gate opens; otherwise the erasure changes the weights, for every prompt.

    Raises ValueError if the erasure does not fit the MODEL or one of its concepts is already erased.
    """
    layers = cross_attention_layers(model)
    _check_fits(layers, erasure)
    refuse_erased(
        model, erasure.concepts, "connect the MODEL from before that erasure; a fused one contains both steps"
    )
    clone = model.clone()
    if strength == 0.0:
        return clone
    pooled = edits_pooled(model, erasure)
    if gated:
        add_gated(clone, erasure, layers, strength)
        if pooled:
            add_gated_pooled(clone, erasure, strength)
        return clone
    edits = [*layers, *([LAYER] if pooled else [])]
    patches = {f"{layer}.weight": ErasurePatch.of(erasure, layer) for layer in edits}
    refused = set(patches) - set(clone.add_patches(patches, strength))
    if refused:
        raise ValueError(
            f"ComfyUI accepted no patch for {sorted(refused)[0]} and {len(refused) - 1} more weights "
            "because this MODEL has a wrapper that MACE does not support: "
            f"load {FAMILIES} with a stock loader."
        )
    return clone


def edits_pooled(model, erasure: Erasure) -> bool:
    """Whether the erasure has a part for the pooled text that the MODEL reads. Raises ValueError if it does
    not fit."""
    if erasure.pooled is None or not isinstance(model.model, READ_POOLED):
        return False
    check_pooled_fits(get_key_weight(model.model, f"{LAYER}.weight")[0], erasure.pooled)
    return True


def about_pooled(model, erasure: Erasure) -> str:
    """A sentence for the user if the MODEL reads a vector beside the tokens that the erasure leaves alone."""
    if isinstance(model.model, READ_POOLED):
        missing = (
            "The pooled text that this MODEL reads too is left alone: make the erasure again to edit it."
        )
        return "" if edits_pooled(model, erasure) else missing
    reads = model.model.adm_channels > 0
    return "The pooled vectors of images that this MODEL reads too are left alone." if reads else ""


def erased_targets(model, beneath: bool = True) -> set[str]:
    """The targets that patches on this MODEL erase.

    beneath: also look at MODELs merged into it, which the host holds as patches inside a patch.
    """
    patches = [patch for key in model.patches for patch in model.patches[key]]
    found = {id(erasure): erasure for erasure, _ in gated_erasures(model)}  # all layers share one erasure
    while patches:
        patch = patches.pop()[1]
        if isinstance(patch, ErasurePatch):
            found[id(patch.erasure)] = patch.erasure
        elif isinstance(patch, list) and beneath:
            patches += patch[1:]  # the first element is the merged weight itself
    return {concept.target for erasure in found.values() for concept in erasure.concepts}


def refuse_erased(model, concepts, advice: str) -> None:
    erased = set(map(canonical, erased_targets(model)))
    if already := {concept.target for concept in concepts if canonical(concept.target) in erased}:
        raise ValueError(f"This MODEL already erases {shown_each(sorted(already))}: {advice}.")


def require_refined(model, concepts) -> None:
    erased = set(map(canonical, erased_targets(model, beneath=False)))
    if missing := {concept.target for concept in concepts if canonical(concept.target) not in erased}:
        raise ValueError(
            f"This MODEL is not refined for {shown_each(sorted(missing))}: connect the MODEL output of "
            "Cross-Attention Refinement."
        )


def _check_fits(layers: dict[str, tuple[int, int]], erasure: Erasure) -> None:
    width = next(iter(layers.values()))[1]
    if erasure.T.shape[0] != width:
        raise ValueError(
            f"This erasure was made for a text encoder of width {erasure.T.shape[0]}, but this "
            f"MODEL needs width {width} (SD1.x: 768, SD2.x: 1024, SDXL: 2048): make an erasure "
            "with the CLIP of this MODEL's checkpoint."
        )
    for layer, (U, _) in erasure.low_rank.items():
        if layer not in layers or layers[layer][0] != U.shape[0]:
            raise ValueError(
                f"This erasure edits layer {layer}, but this MODEL has no layer of that name and "
                "shape: use a MODEL of the family that the erasure was made for."
            )
