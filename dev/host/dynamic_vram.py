"""A newer ComfyUI's dynamic VRAM (its default on CUDA cards) on the CPU, for tests without a card.

The allocator of comfy-aimdo is replaced by plain buffers and the host's two 'is it the CPU' shortcuts are
opened; all else is the host's own code. For a process of its own, after the host has been loaded.
"""

import ctypes
import inspect
from collections.abc import Callable

import torch

ALIGNMENT = 1024
# of cast_bias_weight, which takes them on a CPU: of hosts since about June 2026, and of the first ones before
SHORTCUTS = (
    {
        'hasattr(s, "_v") and comfy.model_management.is_device_cpu(device)': "False",
        'hasattr(s, "_v") and s.weight.device != device': 'hasattr(s, "_v")',
    },
    {"if comfy.model_management.is_device_cpu(device):": "if False:"},
)


class _Vbar:
    """Stands in for comfy_aimdo.model_vbar.ModelVBAR: every allocation is resident, nothing is evicted."""

    def __init__(self, size, device):
        self.buffers = []

    def prioritize(self, *_):
        pass

    def alloc(self, size):
        buffer = (ctypes.c_uint8 * (size + 4 * ALIGNMENT))()
        self.buffers.append(buffer)
        start = (ctypes.addressof(buffer) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        return self, start, size

    def loaded_size(self):
        return 0

    def free_memory(self, size):
        return 0


class _HostBuffer:
    def __init__(self, *_, **__):
        self.size = 0

    def truncate(self, *_, **__):
        pass


def _as_tensor(allocation, device):
    _, start, size = allocation
    return torch.frombuffer((ctypes.c_uint8 * size).from_address(start), dtype=torch.uint8) if size else None


def is_known() -> bool:
    """Whether the host that is loaded has dynamic VRAM at all."""
    import comfy.model_patcher

    return hasattr(comfy.model_patcher, "ModelPatcherDynamic")


def emulate() -> Callable:
    """Open the dynamic path; returns a function from a ModelPatcher to a dynamic one on the same network.

    Load one checkpoint for the static and another for the dynamic patcher: they must not share a network.
    RuntimeError where the host's source is not as expected.
    """
    import comfy.model_management as management
    import comfy.model_patcher as patcher
    import comfy.ops as ops
    import comfy_aimdo.host_buffer as host_buffer
    import comfy_aimdo.model_vbar as vbar
    import comfy_aimdo.torch as aimdo_torch
    from comfy.cli_args import args

    vbar.ModelVBAR = _Vbar
    vbar.vbar_fault = lambda allocation: 1
    vbar.vbar_unpin = lambda allocation: None
    vbar.vbar_signature_compare = lambda a, b: a is not None and a == b
    vbar.vbars_analyze = lambda device=None: 0
    host_buffer.HostBuffer = _HostBuffer
    aimdo_torch.aimdo_to_tensor = _as_tensor
    args.disable_pinned_memory = True
    management.pinned_hostbuf_size = lambda size: 0
    patcher.ModelPatcherDynamic.__new__ = lambda cls, *_, **__: object.__new__(cls)
    opened = _opened(inspect.getsource(ops.cast_bias_weight))
    exec(compile(opened, "cast_bias_weight, opened", "exec"), ops.__dict__)  # noqa: S102

    def dynamic(model):
        management.archive_model_dtypes(model.model.diffusion_model)
        new = patcher.ModelPatcherDynamic(model.model, torch.device("cpu", 0), torch.device("cpu"), 0)
        new.patches = {key: list(patches) for key, patches in model.patches.items()}
        new.patches_uuid, new.model_options = model.patches_uuid, model.model_options
        return new

    return dynamic


def _opened(source: str) -> str:
    for shortcuts in SHORTCUTS:
        if all(shortcut in source for shortcut in shortcuts):
            for shortcut, replacement in shortcuts.items():
                source = source.replace(shortcut, replacement)
            return source
    raise RuntimeError("cast_bias_weight looks different on this host: open its CPU shortcuts anew.")
