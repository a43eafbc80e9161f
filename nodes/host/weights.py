"""One weight of a network as the host computes with it, patches and storage format included."""

import comfy.lora
import comfy.utils
import torch
from comfy.model_patcher import get_key_weight


def stored(patcher, key: str) -> tuple:
    """(weight as stored, the host's converter or None, patches): the host's `get_key_patches` for one key.

    The host's own walks every key and fails at those of a quantised layer that are not attributes.
    """
    with patcher.use_ejected():
        weight, _, convert = get_key_weight(patcher.model, key)
    if key in patcher.hook_backup:
        weight = patcher.hook_backup[key][0]
    elif key in patcher.backup:
        weight = patcher.backup[key].weight
    return weight, convert, patcher.patches.get(key, [])


def plain_weight(patcher, key: str) -> torch.Tensor:
    """The weight without patches, float32 on the CPU; a copy. Quantised ones are scaled."""
    weight, convert, _ = stored(patcher, key)
    weight = weight.detach()
    if type(weight) is not torch.Tensor:  # one of the host's own, which knows its scales
        weight = weight.dequantize()
    weight = weight.to("cpu", torch.float32, copy=True)
    return weight if convert is None else convert(weight, inplace=True).float()


def weight_in_force(patcher, key: str, patches=None) -> torch.Tensor:
    """The weight with its patches (or those given), float32 on the CPU; a copy."""
    patches = stored(patcher, key)[2] if patches is None else patches
    return comfy.lora.calculate_weight(patches, plain_weight(patcher, key), key)


def is_weight(network, key: str) -> bool:
    """Whether a key of the state dict is a tensor of the network, not a scale beside a quantised one."""
    try:
        return torch.is_tensor(comfy.utils.get_attr(network, key))
    except AttributeError:
        return False
