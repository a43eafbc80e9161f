"""From an erasure to a MODEL ready to generate, at the size of SD1.5, against a deep copy of the U-Net."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from dev.fullsize.families import FAMILIES, random_model
from dev.fullsize.host import hosted
from dev.speed.erasures import random_erasure, random_prompts
from dev.speed.plain.apply import erased_copy
from dev.speed.timing import compared, in_turn, products_per_second, rounded

FAMILY = FAMILIES["sd15"]
CONCEPTS, ROUNDS = 100, 3


def run() -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        comfy = hosted(Path(base))
        torch.manual_seed(0)
        with torch.inference_mode():
            model = random_model(FAMILY, torch.bfloat16)
            layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
            erasure = random_erasure(comfy, layers, CONCEPTS, random_prompts(FAMILY.d))
            comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0)  # hashes the base
            found = in_turn(
                ROUNDS,
                straight=lambda: erased_copy(model.model, erasure.T, erasure.low_rank, layers),
                gated=_applied(comfy, model, erasure, "gated"),
                linear=_applied(comfy, model, erasure, "linear"),
            )
    plain = found.pop("straight")
    limits = {"gated": None, "linear": _limit(layers)}
    return {
        "rows": [
            compared(
                f"100 concepts, {mode}",
                [each.seconds for each in ours],
                [each.seconds for each in plain],
                limits[mode],
                mib=rounded(max(each.mib for each in ours)),
                plain_mib=rounded(max(each.mib for each in plain)),
            )
            for mode, ours in found.items()
        ]
    }


def _applied(comfy, model, erasure, mode: str) -> Callable:
    """Apply the erasure to the MODEL and load the result."""
    import comfy.model_management as management

    def work() -> None:
        inputs = {"model": model, "erasure": erasure, "strength": 1.0, "mode": mode}
        management.load_models_gpu([comfy.call("MACE_ApplyErasedModel", **inputs)[0]])

    return work


def _limit(layers: dict[str, tuple[int, int]]) -> float:
    """CPU seconds of W T + U D for every layer, as fast as large matrices are multiplied in float32."""
    operations = sum(
        2 * o * d * d + (2 * o * d * CONCEPTS) * (".to_k" in name) for name, (o, d) in layers.items()
    )
    return operations / products_per_second("float32")
