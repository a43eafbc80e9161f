"""Stage 2 by gradients: one LoRA per concept, trained to keep attention off it (section 4.2, equations
3-5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..files.shown import shown
from ..refinement.moments import second_moment
from .attention_loss import attention_losses
from .factors import LowRank, stack
from .lora import ConceptLoRA, Provenance, initial_factors
from .network import AttentionModel, check_width
from .samples import Sample, draw, examples_of, joined, timesteps_of
from .settings import TrainSettings
from .training_set import TrainingImages, TrainingPrompts

BETAS, WEIGHT_DECAY, GRADIENT_CLIP = (0.9, 0.999), 0.01, 1.0  # the authors' AdamW settings


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A concept and the data that its LoRA is trained on."""

    concept: Concept
    prompts: TrainingPrompts
    images: TrainingImages


OnStep = Callable[[int, int, list[float]], None]  # step, steps, each concept's loss; can raise to cancel


def train_concept_lora(
    model: AttentionModel,
    prompts: TrainingPrompts,
    images: TrainingImages,
    concept: Concept,
    settings: TrainSettings,
    on_step: OnStep | None = None,
) -> tuple[ConceptLoRA, list[float]]:
    """``train_concept_loras`` for one concept."""
    [result] = train_concept_loras(model, [TrainingJob(concept, prompts, images)], settings, on_step)
    return result


def train_concept_loras(
    model: AttentionModel, jobs: Sequence[TrainingJob], settings: TrainSettings, on_step: OnStep | None = None
) -> list[tuple[ConceptLoRA, list[float]]]:
    """Train U and D of every layer for all concepts at once: LoRAs (float32, CPU) and their losses by step.

    Each sample of a batch uses its own concept's LoRA, each concept draws with its own generator and is
    clipped separately, and AdamW works element by element: the gradients are those of training alone.

    ``on_step(step, steps, losses)`` is called after each step and can raise to cancel. The model and the
    inputs are not modified. The same seed gives the same result. Works under inference mode. Raises
    ValueError if images or masks have different shapes between concepts, if the prompts have another width
    than the model, or if a loss is not finite.
    """
    _check_jobs(model, jobs)
    generators = [torch.Generator().manual_seed(settings.seed) for _ in jobs]
    history: list[list[float]] = []
    with torch.inference_mode(False), torch.enable_grad():
        examples = [examples_of(job.prompts, job.images, settings) for job in jobs]
        xi = timesteps_of(settings)
        loras = stack(
            [
                initial_factors(model.layers, settings.rank, generator, settings.initial)
                for generator in generators
            ]
        )
        loras = loras.each(lambda factor: factor.requires_grad_())
        optimiser = torch.optim.AdamW(loras.tensors, settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY)
        for step in range(1, settings.steps + 1):
            samples = [
                draw(each, xi, settings.batch, generator)
                for each, generator in zip(examples, generators, strict=True)
            ]
            losses = _losses(model, samples, loras, settings.loss)
            _check_finite(losses, jobs, step)
            optimiser.zero_grad()
            losses.sum().backward()
            # The last to_v has no gradient, because the loss does not depend on it; both lines below skip it.
            clip_each(loras.tensors, GRADIENT_CLIP)
            optimiser.step()
            history.append(losses.tolist())
            if on_step is not None:
                on_step(step, settings.steps, history[-1])
    return [
        _result(
            job,
            loras.each(lambda factor, i=i: factor.detach()[i].clone()),
            [row[i] for row in history],
            settings,
        )
        for i, job in enumerate(jobs)
    ]


def clip_each(factors: Sequence[Tensor], most: float) -> None:
    """Scale the gradients of ``factors`` ``[concepts, ...]`` so that no concept's total norm exceeds
    ``most``."""
    gradients = [factor.grad for factor in factors if factor.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
    scale = (most / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, 1, 1))


def _result(
    job: TrainingJob, low_rank: LowRank, losses: list[float], settings: TrainSettings
) -> tuple[ConceptLoRA, list[float]]:
    provenance = Provenance(settings, len(job.images.latents), losses[-1])
    C = second_moment([job.prompts.encoded.embeddings])
    return ConceptLoRA(job.concept, low_rank, C, job.prompts.fingerprint, provenance), losses


def _losses(model: AttentionModel, samples: Sequence[Sample], loras: LowRank, loss: str) -> Tensor:
    """Equation 3 of each concept ``[concepts]``, as the mean over its samples."""
    sample = joined(samples)
    batch = len(sample.x_0) // len(samples)
    each_samples_own = loras.each(lambda factor: factor.repeat_interleave(batch, 0))
    x_t = model.noise(sample.x_0, sample.t, sample.eps)
    A = model.attention(x_t, sample.t, sample.context, each_samples_own)
    losses = attention_losses(A, sample.suppressed, sample.masks, tuple(sample.x_0.shape[-2:]), loss)
    return losses.view(len(samples), batch).mean(1)


def _check_finite(losses: Tensor, jobs: Sequence[TrainingJob], step: int) -> None:
    for job, finite in zip(jobs, losses.detach().isfinite().tolist(), strict=True):
        if not finite:
            raise ValueError(
                f"The loss of {shown(job.concept.target)} became NaN or infinite at step {step}: "
                "lower the learning rate or run the model in float32."
            )


def _check_jobs(model: AttentionModel, jobs: Sequence[TrainingJob]) -> None:
    shapes = {(job.images.latents.shape[1:], job.images.masks.shape[1:]) for job in jobs}
    if len(shapes) != 1:
        raise ValueError(
            f"The concepts of one training batch have images of {len(shapes)} shapes: "
            "train concepts together only if their images and masks have the same shape."
        )
    for job in jobs:
        check_width(model, job.prompts)
