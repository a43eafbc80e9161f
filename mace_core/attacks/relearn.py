"""Two attacks that learn a token embedding or a LoRA, so that a model generates a concept again.

Both minimise the training loss of diffusion models, || eps - eps_hat(x_t, t, context) ||^2, over images of
the concept. The model itself is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..files.records import Record
from ..training.factors import LowRank
from ..training.lora import initial_factors
from ..training.network import TIMESTEPS, NoiseModel

OnStep = Callable[[int, int, float], None]  # step, steps, loss; can raise to cancel


@dataclass(frozen=True)
class Budget(Record):
    """What an attack that learns can use. Raises ValueError for fewer than 0 steps."""

    steps: int = 100
    seed: int = 0
    batch: int = 4
    embedding_rate: float = 0.1
    lora_rate: float = 1e-3
    rank: int = 4

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(
                f"The number of optimisation steps is {self.steps}, but must be at least 0: raise it."
            )


def learn_embedding(
    model: NoiseModel,
    latents: Tensor,
    context: Tensor,
    places: slice,
    budget: Budget,
    on_step: OnStep | None = None,
) -> tuple[Tensor, list[float]]:
    """The context ``[1, L, d]`` with learned vectors at the concept's ``places``, and the loss by step.

    Textual inversion after the text encoder: the vectors start as the encoder's. latents
    ``[n, channels, h, w]``: images of the concept as the U-Net reads them. Works under inference mode.
    Raises ValueError if a loss is not finite.
    """
    with torch.inference_mode(False), torch.enable_grad():
        context = context.to("cpu", torch.float32, copy=True)
        learned = context[:, places].clone().requires_grad_()

        def attacked() -> Tensor:
            return torch.cat([context[:, : places.start], learned, context[:, places.stop :]], 1)

        losses = _learn(
            model, latents, budget, [learned], budget.embedding_rate, attacked, LowRank(), on_step
        )
        return attacked().detach(), losses


def retrain_lora(
    model: NoiseModel, latents: Tensor, context: Tensor, budget: Budget, on_step: OnStep | None = None
) -> tuple[LowRank, list[float]]:
    """A LoRA of every cross-attention projection (float32, CPU), and the loss by step.

    latents ``[n, channels, h, w]``, context ``[1, L, d]`` and errors as for ``learn_embedding``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        context = context.to("cpu", torch.float32, copy=True)
        lora = initial_factors(model.layers, budget.rank, torch.Generator().manual_seed(budget.seed))
        lora = lora.each(lambda factor: factor.requires_grad_())
        losses = _learn(
            model, latents, budget, lora.tensors, budget.lora_rate, lambda: context, lora, on_step
        )
        return lora.each(torch.Tensor.detach), losses


def _learn(
    model: NoiseModel,
    latents: Tensor,
    budget: Budget,
    parameters: Sequence[Tensor],
    rate: float,
    attacked: Callable[[], Tensor],
    lora: LowRank,
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
        predicted = model.predicted_noise(model.noise(x_0, t, eps), t, attacked(), lora)
        error = (predicted - eps.to(predicted)).square()
        losses.append(error.mean().item())
        if not torch.isfinite(error).all():
            raise ValueError(
                f"The loss of an attack became NaN or infinite at step {step}: run the model in "
                "float32, or allow fewer optimisation steps."
            )
        optimiser.zero_grad()
        error.sum().backward()  # the gradients of a mean are too small for float16
        optimiser.step()
        if on_step is not None:
            on_step(step, budget.steps, losses[-1])
    return losses
