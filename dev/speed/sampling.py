"""A step of the sampler at the size of SD1.5, with and without an erasure of 100 concepts.

Weights are resident, or offloaded: the host then keeps them away from the device and applies patches each
time it uses a weight. On a CPU nothing is copied, so what an erasure adds is compared with a step that is
shorter than on a GPU.

A step takes seconds and varies by a percent, so what an erasure adds is also measured where it is added: on
the text projections of the U-Net, which take a hundredth of a step.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from dev.fullsize.families import FAMILIES, random_model
from dev.fullsize.host import hosted
from dev.speed.erasures import random_erasure, random_prompts
from dev.speed.timing import rounded, taken

FAMILY, SIDE = FAMILIES["sd15"], 64  # of the latent
CONCEPTS, ROUNDS, PASSES = 100, 3, 8
RESIDENT, OFFLOADED = "resident", "offloaded"
WITHOUT, LINEAR = "without", "linear"
OPEN, SHUT = "gated, prompt about a concept", "gated, prompt about something else"
WAYS = {RESIDENT: (WITHOUT, SHUT, OPEN, LINEAR), OFFLOADED: (WITHOUT, OPEN, LINEAR)}


def run() -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        comfy = hosted(Path(base))
        torch.manual_seed(0)
        with torch.inference_mode():
            sampling = Sampling(comfy)
            rows = [row for place, ways in WAYS.items() for row in sampling.rows(place, ways)]
    return {"rows": rows, "concepts": CONCEPTS}


class Sampling:
    """One U-Net with its erased clones."""

    def __init__(self, comfy):
        model = random_model(FAMILY, torch.bfloat16)
        self.layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
        self.prompts = random_prompts(FAMILY.d)
        erasure = random_erasure(comfy, self.layers, CONCEPTS, self.prompts)

        def erased(mode: str):
            inputs = {"model": model, "erasure": erasure, "strength": 1.0, "mode": mode}
            return comfy.call("MACE_ApplyErasedModel", **inputs)[0]

        gated = erased("gated")
        self.models = {WITHOUT: model, SHUT: gated, OPEN: gated, LINEAR: erased("linear")}

    def rows(self, place: str, ways: tuple[str, ...]) -> list[dict]:
        """A row for each way, in turn."""
        steps, projections = {way: [] for way in ways}, {way: [] for way in ways}
        firsts = {}
        for number in range(ROUNDS):
            for way in ways[:: -1 if number % 2 else 1]:
                first, later = self._projections(way, place)
                firsts.setdefault(way, first)
                projections[way] += later
                steps[way].append(self._step(way, place))
        return [self._row(place, way, steps, projections, firsts) for way in ways if way != WITHOUT]

    def _row(self, place: str, way: str, steps, projections, firsts) -> dict:
        step = median(steps[WITHOUT])
        ratios = [a / b for a, b in zip(steps[way], steps[WITHOUT], strict=True)]
        added = median(projections[way]) - median(projections[WITHOUT])
        return {
            "case": f"{place}: {way}",
            "step": rounded(step),
            "ratio": rounded(median(ratios)),
            "spread": [rounded(min(ratios)), rounded(max(ratios))],
            "added_percent": rounded(100 * added / step),
            "once_percent": rounded(100 * max(0.0, firsts[way] - median(projections[way])) / step),
        }

    def _step(self, way: str, place: str) -> float:
        """CPU seconds of the U-Net in one step of the sampler, with guidance."""
        import comfy.sample

        seconds = []

        def timed(apply: Callable, given: dict) -> torch.Tensor:
            started = time.process_time()
            result = apply(given["input"], given["timestep"], **given["c"])
            seconds.append(time.process_time() - started)
            return result

        model = self._placed(way, place)
        model.set_model_unet_function_wrapper(timed)
        noise = torch.randn(1, 4, SIDE, SIDE)
        positive, negative = [[self._text(way), {}]], [[self.prompts.empty, {}]]
        given = (model, noise, 1, 7.5, "euler", "normal", positive, negative, torch.zeros_like(noise))
        comfy.sample.sample(*given, disable_pbar=True, seed=0)
        return sum(seconds)

    def _projections(self, way: str, place: str) -> tuple[float, list[float]]:
        """CPU seconds of all text projections: of the first pass with a prompt, and of those after it."""
        import comfy.model_management as management

        model = self._placed(way, place)
        management.load_models_gpu([model])
        modules = [model.get_model_object(layer) for layer in self.layers]
        context = torch.cat([self._text(way), self.prompts.empty]).bfloat16()
        seconds = []
        for _ in range(PASSES):
            e = context.clone()  # a sampler makes a new tensor for each step
            seconds.append(taken(lambda e=e: [module(e) for module in modules]).seconds)
        return seconds[0], seconds[1:]

    def _placed(self, way: str, place: str):
        """A clone that the host loads to the device, or leaves where it is stored."""
        import comfy.model_management as management

        management.unload_all_models()
        model = self.models[way].clone()
        return offloaded(model) if place == OFFLOADED else model

    def _text(self, way: str) -> torch.Tensor:
        return self.prompts.other if way == SHUT else self.prompts.about


def offloaded(model):
    """A clone whose weights the host leaves where they are stored and moves to the device for each use."""
    clone = model.clone()
    load = clone.partially_load
    clone.partially_load = lambda device, *_, **named: load(device, 0.1, **named)
    return clone
