"""Which timesteps stage 2 trains on: concept-focal importance sampling (section 4.2, equation 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from .network import TIMESTEPS


def timestep_probabilities(
    t1: float = 200, t2: float = 400, gamma: float = 0.05, steps: int = TIMESTEPS
) -> Tensor:
    """xi(t) for t = 0 .. steps - 1, ``[steps]`` float64, sum 1.

    Equation 5, with the logistic sigmoid and Z the sum over all t:

        xi(t) = 1/Z (sigmoid(gamma (t - t1)) - sigmoid(gamma (t - t2)))

    It is high between t1 and t2, where concepts take shape, and nearly zero elsewhere.
    Raises ValueError unless t1 < t2 and gamma > 0.
    """
    if not (t1 < t2 and gamma > 0):
        raise ValueError(
            f"Importance sampling was given t1 = {t1}, t2 = {t2}, gamma = {gamma}: "
            "use t1 below t2 and gamma above 0."
        )
    t = torch.arange(steps, dtype=torch.float64)
    xi = torch.sigmoid(gamma * (t - t1)) - torch.sigmoid(gamma * (t - t2))
    return xi / xi.sum()


def uniform_probabilities(steps: int = TIMESTEPS) -> Tensor:
    """The same probability for each timestep, ``[steps]`` float64: stage 2 without importance sampling."""
    return torch.full((steps,), 1 / steps, dtype=torch.float64)
