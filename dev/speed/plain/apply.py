"""An erased model as a deep copy whose weights are overwritten."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor


def erased_copy(network: torch.nn.Module, T: Tensor, factors: Mapping[str, tuple[Tensor, Tensor]], layers):
    """A copy of `network` with W T + U D in place of each weight W ``[o, d]`` of `layers`."""
    copied = copy.deepcopy(network)
    for layer in layers:
        module = copied.get_submodule(layer)
        weight = module.weight.float() @ T
        if layer in factors:
            U, D = factors[layer]
            weight = weight + U @ D
        module.weight = torch.nn.Parameter(weight.to(module.weight.dtype), requires_grad=False)
    return copied
