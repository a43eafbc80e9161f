"""Memory of a training step beyond the weights, counted from torch's allocations."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from dev.fullsize.families import Family, random_model
from dev.fullsize.host import hosted
from dev.fullsize.measure import MIB, peak_allocated

SIDES = (32, 48)  # of the latent; memory grows with its area


def run(family: Family) -> dict:
    """Peaks in MiB, measured at SIDES and extrapolated linearly to the family's own size.

    Weights are stored and computed in bfloat16, which takes as many bytes as float16 on a GPU.
    """
    import torch

    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as base:
        comfy = hosted(Path(base))
        with torch.inference_mode():
            model = random_model(family, torch.bfloat16)
        own = family.pixels // 8
        estimate = comfy.module("nodes.host.memory").training_memory
        layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
        modes = {}
        for low_memory in (False, True):
            modes["low memory" if low_memory else "kept"] = extrapolated(
                family, lambda side, low=low_memory: _peak(comfy, model, family, side, low)
            ) | {"estimate": round(estimate(model, layers, [1, 4, own, own], low_memory) / MIB)}
        return {"weights": round(model.model_size() / MIB), "modes": modes}


def extrapolated(family: Family, peak: Callable[[int], float]) -> dict:
    """`peak` in MiB at SIDES, and extrapolated linearly in the latent's area to the family's own side."""
    own, peaks = family.pixels // 8, [peak(side) for side in SIDES]
    slope = (peaks[1] - peaks[0]) / (SIDES[1] ** 2 - SIDES[0] ** 2)
    return {
        "measured": dict(zip(map(str, SIDES), map(round, peaks), strict=True)),
        "own_side": own,
        "extrapolated": round(peaks[0] + slope * (own**2 - SIDES[0] ** 2)),
    }


def _peak(comfy, model, family: Family, side: int, low_memory: bool) -> float:
    """Peak in MiB of one step of the exact trainer, with one random image."""
    import torch

    training_set = comfy.module("mace_core.training.training_set")
    text = comfy.module("mace_core.encoder.text_encoder")
    train = comfy.module("mace_core.training.exact")
    with torch.inference_mode():
        embeddings = torch.randn(1, 77, family.d)
        conditioning = [[embeddings, {"pooled_output": torch.randn(1, 1280)}]]
        latents = torch.randn(1, 4, side, side)
    tokens = torch.tensor([[49406, *range(1000, 1005), *[49407] * 71]])
    prompts = training_set.TrainingPrompts(text.EncodedPrompts(tokens, embeddings), (slice(5, 6),), "random")
    images = training_set.TrainingImages(latents, torch.ones(1, side * 8, side * 8))
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    attention_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), attention_model(model, conditioning, latents, low_memory=low_memory) as unet:
        peak = peak_allocated(
            lambda: train.train_concept_lora(unet, prompts, images, concept, train.TrainSettings(steps=1))
        )
    print(f"  latent {side} x {side}, {'low memory' if low_memory else 'kept'}: {peak:.0f} MiB", flush=True)
    return peak
