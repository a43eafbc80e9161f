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
from .effect import HELD_OUT, Effect, effects_of
from .factors import LowRank, keys_of, stack
from .lora import ConceptLoRA, Provenance, initial_factors
from .network import AttentionModel, check_width
from .samples import Sample, draw, drawn_evenly, examples_of, joined, timesteps_of
from .settings import KEYS_AND_VALUES, TrainSettings
from .training_set import TrainingImages, TrainingPrompts

BETAS, WEIGHT_DECAY, GRADIENT_CLIP = (0.9, 0.999), 0.01, 1.0  # the authors' AdamW settings
CHECK_EVERY = 10  # steps; a check costs HELD_OUT passes without gradients


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
    """Train U and D for all concepts at once: LoRAs (float32, CPU) and their losses by step.

    Each sample of a batch uses its own concept's LoRA, each concept draws with its own generator and is
    clipped separately, and AdamW works element by element: the gradients are those of training alone.
    With ``settings.stop_at``, a concept is finished as soon as a check finds its target reached, and the
    training when all are.

    ``on_step(step, steps, losses)`` is called after each step and can raise to cancel. The model and the
    inputs are not modified. The same seed gives the same result. Works under inference mode. Raises
    ValueError if images or masks have different shapes between concepts, if the prompts have another width
    than the model, or if a loss is not finite.
    """
    _check_jobs(model, jobs)
    with torch.inference_mode(False), torch.enable_grad():
        training = _Training(model, jobs, settings)
        for step in range(1, settings.steps + 1):
            losses = training.step(step)
            if settings.stop_at and (step % CHECK_EVERY == 0 or step == settings.steps):
                training.check(step)
            if on_step is not None:
                on_step(step, settings.steps, losses)
            if len(training.finished) == len(jobs):
                break
        return training.results()


class _Training:
    """All concepts of a batch, between two steps."""

    def __init__(self, model: AttentionModel, jobs: Sequence[TrainingJob], settings: TrainSettings):
        self.model, self.jobs, self.settings = model, jobs, settings
        self.generators = [torch.Generator().manual_seed(settings.seed) for _ in jobs]
        self.examples = [examples_of(job.prompts, job.images, settings) for job in jobs]
        self.xi = timesteps_of(settings)
        pairs = list(zip(self.examples, self.generators, strict=True))
        self.held_out = [drawn_evenly(each, self.xi, HELD_OUT, generator) for each, generator in pairs]
        layers = {
            name: size
            for name, size in model.layers.items()
            if settings.trains == KEYS_AND_VALUES or name in keys_of(model.layers)
        }
        fresh = [initial_factors(layers, settings.rank, each, settings.initial) for each in self.generators]
        self.loras = stack(fresh).each(lambda factor: factor.requires_grad_())
        self.optimiser = torch.optim.AdamW(
            self.loras.tensors, settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY
        )
        self.history: list[list[float]] = []
        self.before = self._held_out_losses()  # Delta W is 0
        self.finished: dict[int, tuple[int, LowRank]] = {}  # concept -> its last step, its LoRA then

    def step(self, number: int) -> list[float]:
        """One step of every concept; the losses before it."""
        samples = [
            draw(each, self.xi, self.settings.batch, generator)
            for each, generator in zip(self.examples, self.generators, strict=True)
        ]
        losses = _losses(self.model, samples, self.loras, self.settings.loss)
        _check_finite(losses, self.jobs, number)
        self.optimiser.zero_grad()
        losses.sum().backward()
        # The last to_v has no gradient, because the loss does not depend on it; both lines below skip it.
        clip_each(self.loras.tensors, GRADIENT_CLIP)
        self.optimiser.step()
        self.history.append(losses.tolist())
        return self.history[-1]

    def check(self, step: int) -> None:
        """Finish the concepts that have reached their target. They stay in the batch, so that the others get
        the same LoRAs as when trained alone."""
        for concept, left in enumerate(self._left()):
            if left <= self.settings.stop_at and concept not in self.finished:
                self.finished[concept] = step, self._lora_of(concept)

    def results(self) -> list[tuple[ConceptLoRA, list[float]]]:
        """The LoRA and the losses of each concept."""
        found = [
            self.finished.get(concept, (len(self.history), self._lora_of(concept)))
            for concept in range(len(self.jobs))
        ]
        steps, loras = zip(*found, strict=True)
        with torch.no_grad():
            self.loras = stack(loras)
            others = [job.prompts.others for job in self.jobs]
            effects = effects_of(self.model, self.held_out, loras, others, self._left(), steps)
        return [
            _result(job, lora, [row[n] for row in self.history[: effect.steps]], self.settings, effect)
            for n, (job, lora, effect) in enumerate(zip(self.jobs, loras, effects, strict=True))
        ]

    def _lora_of(self, concept: int) -> LowRank:
        return self.loras.each(lambda factor: factor.detach()[concept].clone())

    def _left(self) -> list[float]:
        after = self._held_out_losses()
        return (after / self.before.clamp_min(1e-30)).tolist()

    @torch.no_grad()
    def _held_out_losses(self) -> Tensor:
        """Equation 3 of each concept ``[concepts]``, summed over samples held out, one after the other."""
        return sum(
            _losses(self.model, [each[i : i + 1] for each in self.held_out], self.loras, self.settings.loss)
            for i in range(HELD_OUT)
        )


def clip_each(factors: Sequence[Tensor], most: float) -> None:
    """Scale the gradients of ``factors`` ``[concepts, ...]`` so that no concept's total norm exceeds
    ``most``."""
    gradients = [factor.grad for factor in factors if factor.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
    scale = (most / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, 1, 1))


def _result(
    job: TrainingJob, low_rank: LowRank, losses: list[float], settings: TrainSettings, effect: Effect
) -> tuple[ConceptLoRA, list[float]]:
    provenance = Provenance(settings, len(job.images.latents), losses[-1], effect=effect)
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
