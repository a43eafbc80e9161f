"""Work that is done only once: copying T to a device, hashing a U-Net. Also a prior in two precisions.

Both ways are measured in the same run; the straightforward way is implemented here.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dev.fullsize.families import Family, random_model
from dev.fullsize.host import hosted
from dev.fullsize.measure import MIB

NODES = 3  # of a workflow that need the MODEL's fingerprint: Draw Concepts (twice), Train Concept LoRA
CAPTIONS = 256


def run(family: Family) -> dict:
    import torch

    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as base:
        comfy = hosted(Path(base))
        with torch.inference_mode():
            model = random_model(family, torch.bfloat16)
            return {
                "copied_mib": _copies_of_T(comfy, model, family),
                "fingerprint_seconds": _fingerprints(comfy, model),
                "prior": _products(comfy, family),
            }


def _copies_of_T(comfy, model, family: Family) -> dict[str, float]:
    """MiB of T that all projections of a MODEL copy to a device; the meta device stands in for it."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Copies(TorchDispatchMode):
        mib = 0.0

        def __torch_dispatch__(self, function, types, given=(), named=None):
            result = function(*given, **(named or {}))
            # in inference mode `to` is dispatched as it is, otherwise as `_to_copy`
            copies = function.overloadpacket in (torch.ops.aten.to, torch.ops.aten._to_copy)
            if copies and result is not given[0] and result.shape == (family.d, family.d):
                self.mib += result.numel() * result.element_size() / MIB
            return result

    patch, erasure_module = comfy.module("nodes.host.patch"), comfy.module("mace_core.erasure.erasure")
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    erasure = erasure_module.Erasure(torch.eye(family.d), erasure_module.LowRank(), (concept,))
    counted = {}
    for name in ("each layer", "once"):
        with Copies() as copies:
            for layer, shape in patch.cross_attention_layers(model).items():
                W = torch.empty(shape, device="meta")
                if name == "each layer":
                    erasure_module.edited_weight(W, layer, erasure)
                else:
                    patch.ErasurePatch.of(erasure, layer).calculate_weight(W, layer, 1.0, 1.0, None, None)
        counted[name] = round(copies.mib, 1)
    return counted


def _fingerprints(comfy, model) -> dict[str, float]:
    """Seconds for all NODES together."""
    fingerprints = comfy.module("nodes.host.fingerprints")
    ways = {"each node": fingerprints._network_hash, "once": fingerprints.model_fingerprint}
    seconds = {}
    for name, fingerprint in ways.items():
        started = time.perf_counter()
        found = {fingerprint(model) for _ in range(NODES)}
        seconds[name] = round(time.perf_counter() - started, 2)
        if len(found) != 1:
            raise RuntimeError("The same U-Net has two fingerprints: make the hash deterministic.")
    return seconds


def _products(comfy, family: Family) -> dict[str, float]:
    """CPU seconds for the products of CAPTIONS captions, and the relative difference of the two sums."""
    import torch

    block_moment = comfy.module("mace_core.refinement.moments").block_moment
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(1, family.d, generator=generator)
    batches = [torch.randn(32 * 77, family.d, generator=generator) + mean for _ in range(CAPTIONS // 32)]
    seconds, sums = {}, []
    for name, dtype in (("float64", torch.float64), ("float32 blocks", torch.float32)):
        started, total = time.process_time(), torch.zeros(family.d, family.d, dtype=torch.float64)
        for rows in batches:
            total += block_moment(rows.to(dtype))
        seconds[name] = round(time.process_time() - started, 2)
        sums.append(total)
    difference = ((sums[1] - sums[0]).norm() / sums[0].norm()).item()
    return seconds | {"captions": CAPTIONS, "difference": float(f"{difference:.2g}")}
