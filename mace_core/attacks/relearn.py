"""Two attacks that learn: a token embedding and a LoRA, so that a model draws a concept's pictures again.

Both minimise what diffusion models are trained with, || eps - eps_hat(x_t, t, context) ||^2, over pictures of
the concept. The model itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..training.lora import initial_factors
from ..training.network import NoiseModel

TIMESTEPS = 1000
OnStep = Callable[[int, int, float], None]  # step, steps, loss; may raise to cancel


@dataclass(frozen=True)
class Budget:
    """What an attack that learns may spend. Raises ValueError for fewer than 0 steps."""

    steps: int = 100
    seed: int = 0
    batch: int = 4
    embedding_rate: float = 0.1
    lora_rate: float = 1e-3
    rank: int = 4

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"The optimisation steps of a probe are {self.steps}: give 0 or more.")


def learn_embedding(
    model: NoiseModel,
    latents: Tensor,
    context: Tensor,
    places: slice,
    budget: Budget,
    on_step: OnStep | None = None,
) -> tuple[Tensor, list[float]]:
    """The context ``[1, L, d]`` with learned vectors at the concept's ``places``, and the losses by step.

    Textual inversion behind the text encoder: the vectors begin as the encoder made them. latents
    ``[n, channels, h, w]``: pictures of the concept as the network reads them. Works under inference mode.
    Raises ValueError when a loss is not finite.
    """
    with torch.inference_mode(False), torch.enable_grad():
        context = context.to("cpu", torch.float32, copy=True)
        learned = context[:, places].clone().requires_grad_()

        def attacked() -> Tensor:
            return torch.cat([context[:, : places.start], learned, context[:, places.stop :]], 1)

        losses = _learn(model, latents, budget, [learned], budget.embedding_rate, attacked, {}, {}, on_step)
        return attacked().detach(), losses


def retrain_lora(
    model: NoiseModel, latents: Tensor, context: Tensor, budget: Budget, on_step: OnStep | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[float]]:
    """U ``[o, rank]`` and D ``[rank, d]`` of every cross-attention projection (float32, CPU), and the losses.

    latents, context, errors: as for ``learn_embedding``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        context = context.to("cpu", torch.float32, copy=True)
        U, D = initial_factors(model.layers, budget.rank, torch.Generator().manual_seed(budget.seed))
        factors = [factor.requires_grad_() for factor in (*U.values(), *D.values())]
        losses = _learn(model, latents, budget, factors, budget.lora_rate, lambda: context, U, D, on_step)
        U, D = ({name: factor.detach() for name, factor in each.items()} for each in (U, D))
        return U, D, losses


def _learn(
    model: NoiseModel,
    latents: Tensor,
    budget: Budget,
    parameters: Sequence[Tensor],
    rate: float,
    attacked: Callable[[], Tensor],
    U: Mapping[str, Tensor],
    D: Mapping[str, Tensor],
    on_step: OnStep | None,
) -> list[float]:
    generator = torch.Generator().manual_seed(budget.seed)
    latents = latents.to("cpu", torch.float32, copy=True)
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.0)
    losses: list[float] = []
    for step in range(1, budget.steps + 1):
        x_0 = latents[torch.randint(len(latents), (budget.batch,), generator=generator)]
        t = torch.randint(TIMESTEPS, (budget.batch,), generator=generator)
        eps = torch.randn(x_0.shape, generator=generator)
        predicted = model.predicted_noise(model.noise(x_0, t, eps), t, attacked(), U, D)
        error = (predicted - eps.to(predicted)).square()
        losses.append(error.mean().item())
        if not torch.isfinite(error).all():
            raise ValueError(
                f"The loss of an attack became NaN or infinite at step {step}: run the model in "
                "float32, or allow fewer optimisation steps."
            )
        optimiser.zero_grad()
        error.sum().backward()  # a mean's gradients are too small for float16
        optimiser.step()
        if on_step is not None:
            on_step(step, budget.steps, losses[-1])
    return losses
