"""The host in this process, with its dynamic VRAM emulated on the CPU where the host supports it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from dev.host.dynamic_vram import emulate, is_known
from dev.host.in_process import InProcess, load_host
from tests.host.graphs import CHECKPOINT

STATIC, DYNAMIC = "static", "dynamic"


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> InProcess:
    host = load_host(tmp_path_factory.mktemp("comfy"))
    if not is_known():
        pytest.skip("this ComfyUI has no dynamic VRAM: set COMFYUI_PATH to one of May 2026 or newer")
    return host


@pytest.fixture(scope="session")
def dynamic(comfy) -> Callable:
    return emulate()


@dataclass(frozen=True)
class Loaded:
    """Two copies of the miniature: `models[STATIC]` and `models[DYNAMIC]`, each with its own network."""

    models: dict
    clip: object
    vae: object
    half: bool = False  # fp16 is involved: the host rounds weights to it before or after the edit


def load(comfy, dynamic, dtype=None, stored=None) -> Loaded:
    """``dtype`` is the network's compute dtype; ``stored`` is the dtype in the file, if different.

    A static patcher casts weights when it loads them, a dynamic one when it computes with them.
    """
    import comfy.sd
    import folder_paths

    path = folder_paths.get_full_path_or_raise("checkpoints", CHECKPOINT)
    options = {"dtype": dtype} if dtype else {}
    with torch.inference_mode():
        (first, clip, vae, _), (second, *_) = (
            comfy.sd.load_checkpoint_guess_config(path, model_options=options) for _ in range(2)
        )
        second = dynamic(second)
        if stored:
            replace_parameters(first.model.diffusion_model, lambda weight: weight.to(stored).to(weight.dtype))
            replace_parameters(second.model.diffusion_model, lambda weight: weight.to(stored))
    return Loaded({STATIC: first, DYNAMIC: second}, clip, vae, half=torch.float16 in (dtype, stored))


def replace_parameters(network, change) -> None:
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(change(parameter), requires_grad=False)


DTYPES = {
    "one dtype": (None, None),
    "fp32 file in fp16": (torch.float16, torch.float32),
    "fp16 file in fp32": (torch.float32, torch.float16),
}


@pytest.fixture(scope="module", params=DTYPES.values(), ids=DTYPES)
def loaded(request, comfy, dynamic) -> Loaded:
    return load(comfy, dynamic, *request.param)
