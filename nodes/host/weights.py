"""Single weights of a U-Net or text encoder as the host uses them: patches, storage format."""

import comfy.lora
import comfy.utils
import torch
from comfy.model_patcher import get_key_weight


def stored(patcher, key: str) -> tuple:
    """(weight as stored, the host's converter or None, patches): the host's `get_key_patches` for one key.

    The host's function reads every key, and fails on keys of quantised layers that are not attributes.
    """
    with patcher.use_ejected():
        weight, _, convert = get_key_weight(patcher.model, key)
    if key in patcher.hook_backup:
        weight = patcher.hook_backup[key][0]
    elif key in patcher.backup:
        weight = patcher.backup[key].weight
    return weight, convert, patcher.patches.get(key, [])


def plain_weight(patcher, key: str) -> torch.Tensor:
    """A float32 copy of the weight on the CPU, without patches. Quantised weights are dequantised."""
    weight, convert, _ = stored(patcher, key)
    weight = weight.detach()
    if type(weight) is not torch.Tensor:  # the host's quantised tensor, which knows its scales
        weight = weight.dequantize()
    weight = weight.to("cpu", torch.float32, copy=True)
    return weight if convert is None else convert(weight, inplace=True).float()


def weight_in_force(patcher, key: str, patches=None) -> torch.Tensor:
    """A float32 copy of the weight on the CPU, with its patches or with the given ones."""
    patches = stored(patcher, key)[2] if patches is None else patches
    return comfy.lora.calculate_weight(patches, plain_weight(patcher, key), key)


def is_weight(network, key: str) -> bool:
    """Whether a key of the state dict is a weight, not for example the scale of a quantised weight."""
    try:
        return torch.is_tensor(comfy.utils.get_attr(network, key))
    except AttributeError:
        return False
