"""An Erasure as patches on a clone of a MODEL: undone by bypassing the node, on top of LoRAs before it."""

import hashlib
import re

import comfy.lora
import torch
from comfy.model_base import Stable_Zero123, SVD_img2vid
from comfy.weight_adapter import WeightAdapterBase

from ..mace_core.erasure import Erasure, edited_weight

PREFIX = "diffusion_model."
# U-Nets only: some video transformers have an attn2 too, but read text through encoders MACE does not know
PROJECTION = re.compile(r"diffusion_model\.(input|middle|output)_blocks?\..*\.attn2\.to_[kv]\.weight")
FAMILIES = "SD1.x, SD2.x and SDXL checkpoints"
READ_PICTURES = (SVD_img2vid, Stable_Zero123)  # U-Nets whose attn2 reads a picture in place of text


class ErasurePatch(WeightAdapterBase):
    """One projection's share of an erasure. It edits the weight as patched so far, LoRAs included."""

    name = "mace"

    def __init__(self, erasure: Erasure, layer: str):
        self.erasure = erasure
        self.layer = layer
        self.loaded_keys = set()
        self.weights = []

    def calculate_weight(self, weight, key, strength, strength_model, offset, function,
                         intermediate_dtype=torch.float32, original_weight=None):
        return edited_weight(weight, self.layer, self.erasure, strength).to(weight.dtype)


def cross_attention_layers(model) -> dict[str, tuple[int, int]]:
    """The text projections of a MODEL: layer name -> (o, d), in the order of the network."""
    layers = {}
    for key, weight in model.model_state_dict(PREFIX).items():
        if PROJECTION.fullmatch(key):
            layers[key.removesuffix(".weight")] = tuple(weight.shape)
    if not layers or isinstance(model.model, READ_PICTURES):
        family = type(model.model).__name__.replace("_", " ")
        raise ValueError(f"This MODEL is {family}, which has no cross-attention to CLIP text (attn2), where "
                         f"MACE erases concepts: it works with {FAMILIES}.")
    return layers


def apply_erasure(model, erasure: Erasure, strength: float = 1.0):
    """A clone of `model` with the erasure in force. Strength 0 is the model itself, to the bit."""
    layers = cross_attention_layers(model)
    _check_fits(layers, erasure)
    refuse_erased(model, erasure.concepts,
                  "connect the MODEL from before that erasure, a fused one contains both steps")
    clone = model.clone()
    if strength == 0.0:
        return clone
    patches = {f"{layer}.weight": ErasurePatch(erasure, layer) for layer in layers}
    refused = set(patches) - set(clone.add_patches(patches, strength))
    if refused:
        raise ValueError(f"The host accepted no patch for {sorted(refused)[0]} and {len(refused) - 1} more: "
                         "this MODEL is wrapped in a way MACE does not know, "
                         f"use one of {FAMILIES} from a plain loader.")
    return clone


def erased_targets(model) -> set[str]:
    """The concepts that patches on this MODEL erase already."""
    erasures = [patch[1].erasure for patches in model.patches.values() for patch in patches
                if isinstance(patch[1], ErasurePatch)]
    return {concept.target for erasure in erasures for concept in erasure.concepts}


def refuse_erased(model, concepts, advice: str) -> None:
    already = erased_targets(model) & {concept.target for concept in concepts}
    if already:
        raise ValueError(f"This MODEL already erases {_quoted(already)}: {advice}.")


def require_refined(model, concepts) -> None:
    missing = {concept.target for concept in concepts} - erased_targets(model)
    if missing:
        raise ValueError(f"This MODEL is not refined for {_quoted(missing)}: connect the MODEL output of "
                         "Cross-Attention Refinement.")


def weight_in_force(entry, key: str) -> torch.Tensor:
    """The weight of an entry of `get_key_patches` with its patches, float32 on the CPU; a copy."""
    (weight, convert), *patches = entry
    weight = convert(weight.to("cpu", torch.float32, copy=True), inplace=True)
    return comfy.lora.calculate_weight(patches, weight, key)


def base_fingerprint(model) -> str:
    """Which checkpoint an erasure was made on (for the record: it does not depend on it)."""
    return _projections_fingerprint(model, lambda entry, key: entry[0][0])


def fingerprint_in_force(model) -> str:
    """A hash of the text projections as they are in force, LoRAs and erasures included."""
    return _projections_fingerprint(model, weight_in_force)


def _projections_fingerprint(model, weight_of) -> str:
    digest, entries = hashlib.sha256(), model.get_key_patches(PREFIX)
    for layer in cross_attention_layers(model):
        key = f"{layer}.weight"
        weight = weight_of(entries[key], key)
        digest.update(weight.detach().to("cpu", torch.float16).contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _check_fits(layers: dict[str, tuple[int, int]], erasure: Erasure) -> None:
    width = next(iter(layers.values()))[1]
    if erasure.T.shape[0] != width:
        raise ValueError(f"This erasure was made for a text encoder of width {erasure.T.shape[0]}, this "
                         f"MODEL reads width {width} (SD1.x: 768, SD2.x: 1024, SDXL: 2048): make one "
                         "with this model's own CLIP.")
    for layer, U in erasure.U.items():
        if layer not in layers or layers[layer][0] != U.shape[0]:
            raise ValueError(f"This erasure edits the layer {layer}, which this MODEL does not have in "
                             "that shape: use a MODEL of the family the erasure was made on.")


def _quoted(names) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
