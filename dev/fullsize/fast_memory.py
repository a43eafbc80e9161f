"""Memory of the fast trainer beyond the weights, with its samples one by one (as in the pack) or all at once.

Computed in float32, because some CPUs take minutes for one pass in half precision; a GPU that computes in
half precision needs less. The weights are counted in half precision.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from dev.fullsize.families import Family, random_model
from dev.fullsize.host import hosted
from dev.fullsize.measure import MIB, peak_allocated
from dev.fullsize.memory import extrapolated

AT_ONCE, ONE_BY_ONE = "all at once", "one by one"


def run(family: Family) -> dict:
    """Peaks in MiB, measured and extrapolated as for a training step (dev/fullsize/memory.py)."""
    import torch

    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as base:
        comfy = hosted(Path(base))
        with torch.inference_mode():
            model = random_model(family, torch.float32)
        modes = {
            name: extrapolated(family, lambda side, name=name: _peak(comfy, model, family, side, name))
            for name in (AT_ONCE, ONE_BY_ONE)
        }
        return {"weights": round(model.model_size() / 2 / MIB), "modes": modes}


def _peak(comfy, model, family: Family, side: int, mode: str) -> float:
    import torch

    fast, samples = comfy.module("mace_core.training.closed_form"), comfy.module("mace_core.training.samples")
    n = fast.DEFAULT.samples
    with torch.inference_mode():
        conditioning = [[torch.randn(1, 77, family.d), {"pooled_output": torch.randn(1, 1280)}]]
        latents = torch.randn(1, 4, side, side)
    attention_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), attention_model(model, conditioning, latents, training=False) as unet:
        sample = samples.Sample(
            torch.randn(n, 4, side, side),
            torch.randn(n, 4, side, side),
            torch.full((n,), 500),
            torch.randn(n, 77, family.d),
            torch.zeros(n, 77, dtype=torch.bool),
            torch.ones(n, side * 8, side * 8),
        )
        x_t = unet.noise(sample.x_0, sample.t, sample.eps)

        def at_once():
            unet.queries(
                x_t, sample.t, sample.context, lambda q: fast.query_moments(q, sample.masks, (side, side))
            )

        def one_by_one():
            fast.sample_moments(unet, sample, x_t, (side, side))

        peak = peak_allocated(at_once if mode == AT_ONCE else one_by_one)
    print(f"  latent {side} x {side}, {mode}: {peak:.0f} MiB", flush=True)
    return peak
