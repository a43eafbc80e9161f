"""A node pack for `make faults` only, beside the real one in a server: faults from inside.

POST /faults sets how many samples fit into memory (`most`, null for any), and by how many seconds the clock
is ahead (`clock`).
"""

import hashlib
import time

import torch
from aiohttp import web
from comfy.model_base import BaseModel
from server import PromptServer

STATE = {"most": None, "clock": 0.0}


@PromptServer.instance.routes.post("/faults")
async def change(request: web.Request) -> web.Response:
    STATE.update(await request.json())
    return web.json_response(STATE)


_time, _time_ns, _apply_model = time.time, time.time_ns, BaseModel.apply_model


def _limited(self, x, *rest, **named):
    if STATE["most"] is not None and len(x) > STATE["most"]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return _apply_model(self, x, *rest, **named)


time.time = lambda: _time() + STATE["clock"]
time.time_ns = lambda: _time_ns() + int(STATE["clock"] * 1e9)
BaseModel.apply_model = _limited


class Anything(str):
    """A type that fits every socket."""

    def __ne__(self, other) -> bool:
        return False


ANYTHING = Anything("*")


class Again:
    """Passes a value on. Another number makes the server run all nodes behind it again."""

    RETURN_TYPES, FUNCTION, CATEGORY = (ANYTHING,), "run", "faults"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"value": (ANYTHING,), "number": ("INT", {"default": 0, "max": 2**31})}}

    def run(self, value, number):
        return (value,)


class Hash:
    """Shows the SHA-256 of latents."""

    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "faults", True

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"samples": ("LATENT",)}}

    def run(self, samples):
        data = samples["samples"].float().contiguous().numpy().tobytes()
        return {"ui": {"text": [hashlib.sha256(data).hexdigest()]}}


class NotANumber:
    """A clone of a MODEL with NaN on one layer, as from a damaged LoRA."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "run", "faults"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"model": ("MODEL",), "layer": ("STRING", {})}}

    def run(self, model, layer):
        clone = model.clone()
        shape = clone.model.get_submodule(layer).weight.shape
        clone.add_patches({f"{layer}.weight": ("diff", (torch.full(shape, float("nan")),))})
        return (clone,)


NODE_CLASS_MAPPINGS = {"FaultsAgain": Again, "FaultsHash": Hash, "FaultsNotANumber": NotANumber}
