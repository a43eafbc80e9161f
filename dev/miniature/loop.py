"""The resumable training loop for every part of the miniature: schedules count steps, never seconds."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Schedule:
    """`steps` in total: linear warm-up, then a cosine down to a twentieth of `learning_rate`."""

    steps: int
    learning_rate: float
    warmup: int = 200
    weight_decay: float = 0.01
    ema: float = 0.999
    save_every: int = 500

    def rate(self, step: int) -> float:
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def write_whole(value: object, path: Path) -> None:
    """torch.save to a temporary file, then rename: a killed run leaves the earlier checkpoint intact."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    os.replace(partial, path)


def begun(model: nn.Module, step: int) -> dict:
    """A checkpoint of `model` after `step` steps, for a model whose optimiser state is lost."""
    state = {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    return {"model": state, "average": state, "step": step, "optimiser": {}}


def train(
    model: nn.Module,
    loss_at: Callable[[int, torch.Generator], tuple[Tensor, dict[str, float]]],
    schedule: Schedule,
    checkpoint: Path,
) -> nn.Module:
    """Train `model` (resuming from `checkpoint` if it exists) and return its moving average.

    `loss_at(step, generator)` samples the batch from `generator`, which is seeded by the step, so that a
    resumed run sees the same batches as an uninterrupted one. A log beside the checkpoint gets one line per
    hundred steps.
    """
    average = deepcopy(model).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(
        model.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        if saved["optimiser"]:
            optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    begun, totals = time.monotonic(), {}
    for step in range(first, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        loss, figures = loss_at(step, torch.Generator().manual_seed(step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        keep = min(schedule.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - keep)
        for name, figure in {"loss": loss.item(), **figures}.items():
            totals[name] = totals.get(name, 0.0) + figure / 100
        if (step + 1) % 100 == 0:
            seconds = (time.monotonic() - begun) / (step + 1 - first)
            line = {
                "step": step + 1,
                **{k: round(v, 5) for k, v in totals.items()},
                "seconds": round(seconds, 4),
            }
            with checkpoint.with_suffix(".log").open("a") as log:
                log.write(json.dumps(line) + "\n")
            totals = {}
        if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
            state = {"model": model.state_dict(), "average": average.state_dict(), "step": step + 1}
            write_whole({**state, "optimiser": optimiser.state_dict()}, checkpoint)
    return average
