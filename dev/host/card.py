"""Where tests and measurements run, and dynamic VRAM of newer ComfyUIs on a GPU, started as main.py starts
it. Older hosts stay as they are."""

import os

from dev.host.fetch import import_from_host

DEVICE = os.environ.get("MACE_TEST_DEVICE", "cuda")  # where tests/cuda runs
ON_CPU = os.environ.get("MACE_TEST_DEVICE", "cpu") == "cpu"  # everything else runs on a GPU only if told to
STATIC = os.environ.get("MACE_TEST_STATIC") == "1"  # as with --disable-dynamic-vram
FAMILIES = os.environ.get("MACE_TEST_FAMILIES", "mini" if DEVICE == "cpu" else "mini sd15 sdxl").split()


def device_name() -> str:
    """What tests and measurements other than tests/cuda run on."""
    import torch

    return "the CPU" if ON_CPU else f"one {torch.cuda.get_device_name()}"


def prepare() -> None:
    """Load the host's allocator. Call this before importing torch, or it misses what torch allocates."""
    import_from_host()
    try:
        from comfy.cli_args import enables_dynamic_vram
        from comfy_aimdo import control
    except ImportError:
        return
    if enables_dynamic_vram() and not STATIC:
        control.init()


def start() -> bool:
    """Make the host's loaders use dynamic VRAM; returns False if the host or its allocator has none."""
    try:
        from comfy.cli_args import args, enables_dynamic_vram
        from comfy_aimdo import control
    except ImportError:
        return False
    if STATIC or not enables_dynamic_vram():
        return False
    import comfy.memory_management
    import comfy.model_management
    import comfy.model_patcher

    devices = comfy.model_management.get_all_torch_devices()
    headroom = int(getattr(args, "vram_headroom", 0) * 2**30)
    try:
        started = control.init_devices([(device.index, headroom) for device in devices])
    except TypeError:  # comfy-aimdo before 0.4.10
        started = control.init_devices([device.index for device in devices])
    if started:
        comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
        comfy.memory_management.aimdo_enabled = True
    return bool(started)
