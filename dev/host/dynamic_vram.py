"""Dynamic VRAM of newer ComfyUIs (the default on CUDA GPUs), emulated on the CPU for tests without a GPU.

Plain buffers replace the allocator of comfy-aimdo, and the host's two CPU shortcuts are disabled; everything
else is the host's own code. Use it in a separate process, after loading the host.
"""

import ctypes
import inspect
from collections.abc import Callable

import torch

ALIGNMENT = 1024
# CPU shortcuts of cast_bias_weight: in hosts since about June 2026, and in the first hosts before that
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


def _pin(module, subset="weights", size=None) -> None:
    """Nothing is pinned on a CPU, but a buffer of nothing is refused, as comfy-aimdo 0.4.13 does on a GPU."""
    if size == 0:
        raise ValueError("both buffer length (0) and count (-1) must not be 0")


def _as_tensor(allocation, device):
    _, start, size = allocation
    return torch.frombuffer((ctypes.c_uint8 * size).from_address(start), dtype=torch.uint8) if size else None


def is_known() -> bool:
    """Whether the loaded host has dynamic VRAM at all."""
    import comfy.model_patcher

    return hasattr(comfy.model_patcher, "ModelPatcherDynamic")


def emulate() -> Callable:
    """Enable the dynamic path; returns a function that makes a dynamic ModelPatcher from a static one.

    The new patcher has the same model. Load the checkpoint twice if you need a static and a dynamic patcher:
    they must not share a model. Raises RuntimeError if the host's source is not as expected.
    """
    import comfy
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
    if hasattr(comfy, "pinned_memory"):  # newer hosts
        comfy.pinned_memory.pin_memory = _pin
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
    raise RuntimeError(
        "The CPU shortcuts of this host's cast_bias_weight are unknown: add them to SHORTCUTS."
    )
