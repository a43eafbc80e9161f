"""Makes the U-Net of a MODEL differentiable: ordinary weights, and only operations that have a gradient.

All tensors that a node receives were created in inference mode, and autograd cannot save those. A host with
dynamic VRAM can also move weights away before the backward pass. During a pass with gradients, the U-Net
therefore has other Parameters, which share the storage of resident weights and are copies of dynamic ones.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.float
import comfy.ldm.modules.attention as host_attention
import comfy.lora
import comfy.model_management
import comfy.utils
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from .weights import stored

DYNAMIC = "_v"  # the attribute of a module whose weights the host moves at any time
WITH_GRADIENT = (
    "attention_basic",
    "attention_sub_quad",
    "attention_split",
    "attention_xformers",
    "attention_pytorch",
)  # the host's attention functions that have a gradient; sage and flash attention have none
OVERRIDE = "optimized_attention_override"
FORWARD_PATCH = "forward_timestep_embed_patch"  # each patch is a pair (class of the layer, handler)


def is_dynamic(patcher) -> bool:
    """Whether the host can move the weights of this MODEL at any time (dynamic VRAM)."""
    return getattr(patcher, "is_dynamic", bool)()


@contextmanager
def ordinary_weights(patcher) -> Iterator[None]:
    """Inside the context, the U-Net computes with ordinary tensors on its device, patches included.

    The original Parameters return afterwards.
    """
    originals, dynamic = [], []
    network, device = patcher.model, patcher.load_device
    try:
        for place, module in network.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    originals.append((module, name, parameter))
                    weight = _resident(patcher, module, f"{place}.{name}", parameter, device)
                    module._parameters[name] = _parameter(weight, parameter)
            if hasattr(module, DYNAMIC):
                dynamic.append((module, module.__dict__.pop(DYNAMIC)))
        yield
    finally:
        for module, name, parameter in originals:
            module._parameters[name] = parameter
        for module, allocation in dynamic:
            setattr(module, DYNAMIC, allocation)


@torch.no_grad()  # some hosts load parameters with requires_grad
def _resident(patcher, module, key: str, parameter, device) -> torch.Tensor:
    """The effective weight on the device; a dynamic one is copied there."""
    if not hasattr(module, DYNAMIC):
        return _ordinary(parameter)
    name = key.rpartition(".")[2]
    dtype = getattr(module, f"{name}_comfy_model_dtype", None) or parameter.dtype
    if parameter.is_meta:  # missing in the checkpoint, so the host computes with zeros
        return torch.zeros(parameter.shape, dtype=dtype, device=device)
    if is_traceable_wrapper_subclass(parameter):
        weight = patcher.patch_weight_to_device(key, device_to=device, return_weight=True)
        return weight.to(device=device).clone()
    weight, _, patches = stored(patcher, key)
    if not patches:
        return comfy.model_management.cast_to_device(weight, device, dtype, copy=True)
    weight = comfy.model_management.cast_to_device(weight, device, torch.float32, copy=True)
    weight = comfy.lora.calculate_weight(patches, weight, key)
    return comfy.float.stochastic_rounding(weight, dtype, seed=comfy.utils.string_to_seed(key))


def _ordinary(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on the same storage, created outside inference mode."""
    if is_traceable_wrapper_subclass(tensor):  # quantised: values and scales
        names, context = tensor.__tensor_flatten__()
        parts = {name: _ordinary(getattr(tensor, name)) for name in names}
        return type(tensor).__tensor_unflatten__(parts, context, tensor.shape, tensor.stride())
    twin = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return twin.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


def _parameter(weight: torch.Tensor, original) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(weight, requires_grad=False)
    if not is_traceable_wrapper_subclass(weight):
        parameter.__dict__.update(original.__dict__)  # the host reads attributes such as _model_dtype
    return parameter


def differentiable(transformer_options: dict) -> dict:
    """A copy of the options in which patches of other nodes are safe for a pass with gradients."""
    options = dict(transformer_options)
    options["patches"] = {
        name: [_kept_apart(name, patch) for patch in patches]
        for name, patches in options.get("patches", {}).items()
    }
    options["patches_replace"] = {
        name: {block: _apart(patch) for block, patch in patches.items()}
        for name, patches in options.get("patches_replace", {}).items()
    }
    if OVERRIDE in options or host_attention.optimized_attention.__name__ not in WITH_GRADIENT:
        options[OVERRIDE] = _attention_with_gradient
    return options


def _attention_with_gradient(_, *args, **named) -> torch.Tensor:
    return host_attention.attention_pytorch(*args, **named)


def _kept_apart(name: str, patch) -> Any:
    if name == FORWARD_PATCH:
        kind, handler = patch
        return kind, _apart(handler)
    return _apart(patch)


def _apart(patch: Callable) -> Callable:
    """Patches of other nodes can write into their inputs, which autograd can still need. They get copies, and
    autograd saves copies while they run."""

    def run(*inputs) -> Any:
        with saved_tensors_hooks(torch.clone, lambda saved: saved):
            return patch(*map(_copied, inputs))

    return run


def _copied(value) -> Any:
    if torch.is_tensor(value):
        return value.clone()
    if isinstance(value, dict) and "h" in value:  # the inputs of a middle_block_after_patch
        return {name: _copied(each) for name, each in value.items()}
    return value
