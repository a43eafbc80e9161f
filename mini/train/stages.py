"""The steps of `make mini`, in order; each resumes where it was interrupted and is skipped when its result exists."""

from __future__ import annotations

from pathlib import Path

import torch

from .loop import Schedule, train
from .pool import HELD_OUT, TRAINING, as_tensor, load_pictures, make_pool
from .vae import MiniVAE, vae_loss

WORK = Path(__file__).resolve().parents[2] / ".cache/mini"
POOL, TEST_POOL = WORK / "pool", WORK / "test"
VAE_SCHEDULE = Schedule(steps=3400, learning_rate=1e-3, ema=0.998)


def pools() -> None:
    make_pool(POOL, TRAINING, seed=1)
    make_pool(TEST_POOL, HELD_OUT, seed=2)


def vae() -> MiniVAE:
    pictures = load_pictures(POOL)
    model = MiniVAE().to(memory_format=torch.channels_last)

    def loss_at(_step: int, generator: torch.Generator):
        chosen = torch.randint(len(pictures), (16,), generator=generator).numpy()
        batch = as_tensor(pictures[chosen]).contiguous(memory_format=torch.channels_last)
        return vae_loss(model, batch, torch.randn(16, 4, 8, 8, generator=generator))

    return train(model, loss_at, VAE_SCHEDULE, WORK / "vae.pt")
