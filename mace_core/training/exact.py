"""Stage 2: one LoRA per concept, trained to keep attention off the concept (section 4.2, equations 3-5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..refinement.moments import second_moment
from ..version import VERSION
from .attention_loss import LOSSES, attention_losses, suppressed_positions
from .importance import timestep_probabilities, uniform_probabilities
from .lora import ConceptLoRA, initial_factors
from .network import AttentionModel, check_width
from .training_set import TrainingImages, TrainingPrompts

BETAS, WEIGHT_DECAY, GRADIENT_CLIP = (0.9, 0.999), 0.01, 1.0  # the authors' AdamW settings


@dataclass(frozen=True)
class TrainSettings:
    """steps, batch, rank: 1 or more; learning_rate: above 0.

    cfis: timesteps by concept-focal importance sampling (equation 5), otherwise uniform.
    loss: ``"squared"`` is equation 3, ``"norm"`` the unsquared norm of the published code, which also has
    suppress_end_of_text: the end token (and SD1's padding copies of it) joins the suppressed tokens.
    Raises ValueError for a value out of range.
    """

    steps: int = 50
    learning_rate: float = 1e-5
    rank: int = 1
    batch: int = 1
    cfis: bool = True
    seed: int = 0
    loss: str = "squared"
    suppress_end_of_text: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "rank", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"The {name} of the training is {getattr(self, name)}: give a whole number of 1 or more."
                )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"The learning rate is {self.learning_rate}: give a number above 0.")
        if self.loss not in LOSSES:
            raise ValueError(f"The loss is '{self.loss}': use one of {', '.join(LOSSES)}.")


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A concept and what its LoRA is trained on."""

    concept: Concept
    prompts: TrainingPrompts
    images: TrainingImages


OnStep = Callable[[int, int, list[float]], None]  # step, steps, the loss of each concept; may raise to cancel


def train_concept_lora(
    model: AttentionModel,
    prompts: TrainingPrompts,
    images: TrainingImages,
    concept: Concept,
    settings: TrainSettings,
    on_step: OnStep | None = None,
) -> tuple[ConceptLoRA, list[float]]:
    """``train_concept_loras`` of one concept."""
    [result] = train_concept_loras(model, [TrainingJob(concept, prompts, images)], settings, on_step)
    return result


def train_concept_loras(
    model: AttentionModel, jobs: Sequence[TrainingJob], settings: TrainSettings, on_step: OnStep | None = None
) -> list[tuple[ConceptLoRA, list[float]]]:
    """Train U and D of every layer for all concepts at once: LoRAs (float32, CPU) and the losses by step.

    Each sample of a batch carries its concept's own LoRA, each concept draws with its own generator and is
    clipped by itself, and AdamW acts on each number alone: the gradients are those of training alone.

    ``on_step(step, steps, losses)`` is called after each step and may raise to cancel. Only U and D are
    written to: the model and the inputs stay as they are. The same seed gives the same result. Works under
    inference mode. Raises ValueError when images or masks differ in shape between concepts, the prompts have
    another width than the model, or a loss is not finite.
    """
    _check_jobs(model, jobs)
    generators = [torch.Generator().manual_seed(settings.seed) for _ in jobs]
    history: list[list[float]] = []
    with torch.inference_mode(False), torch.enable_grad():
        examples = [examples_of(job.prompts, job.images, settings) for job in jobs]
        xi = timesteps_of(settings)
        U, D = _stacked([initial_factors(model.layers, settings.rank, generator) for generator in generators])
        factors = [factor.requires_grad_() for factor in (*U.values(), *D.values())]
        optimiser = torch.optim.AdamW(factors, settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY)
        for step in range(1, settings.steps + 1):
            samples = [
                draw(each, xi, settings.batch, generator)
                for each, generator in zip(examples, generators, strict=True)
            ]
            losses = _losses(model, samples, U, D, settings.loss)
            _check_finite(losses, jobs, step)
            optimiser.zero_grad()
            losses.sum().backward()
            # The last to_v has no gradient, nothing after it enters the loss; both lines below skip it.
            clip_each(factors, GRADIENT_CLIP)
            optimiser.step()
            history.append(losses.tolist())
            if on_step is not None:
                on_step(step, settings.steps, history[-1])
    U, D = ({name: factor.detach() for name, factor in factors.items()} for factors in (U, D))
    return [_result(job, i, U, D, [losses[i] for losses in history], settings) for i, job in enumerate(jobs)]


def clip_each(factors: Sequence[Tensor], most: float) -> None:
    """Scale the gradients of ``factors`` ``[concepts, ...]``: no concept's norm over all exceeds ``most``."""
    gradients = [factor.grad for factor in factors if factor.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
    scale = (most / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, 1, 1))


def _stacked(factors: Sequence[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> list[dict[str, Tensor]]:
    """U and D of every concept as layer -> ``[concepts, ...]``."""
    return [
        {name: torch.stack([each[name] for each in kind]) for name in kind[0]}
        for kind in zip(*factors, strict=True)
    ]


def _result(
    job: TrainingJob,
    i: int,
    U: Mapping[str, Tensor],
    D: Mapping[str, Tensor],
    losses: list[float],
    settings: TrainSettings,
) -> tuple[ConceptLoRA, list[float]]:
    U, D = ({name: factor[i].clone() for name, factor in factors.items()} for factors in (U, D))
    provenance = {
        "settings": asdict(settings),
        "images": len(job.images.latents),
        "final_loss": losses[-1],
        "pack": VERSION,
        "torch": str(torch.__version__),
    }
    C = second_moment([job.prompts.encoded.embeddings])
    return ConceptLoRA(job.concept, U, D, C, job.prompts.fingerprint, provenance), losses


@dataclass(frozen=True, eq=False)
class Examples:
    """What a step draws from: images and masks by image, contexts and suppressed positions by prompt."""

    latents: Tensor  # [n, channels, h, w]
    masks: Tensor  # [n, H, W]
    contexts: Tensor  # [prompts, L, d]
    suppressed: Tensor  # [prompts, L]


def examples_of(prompts: TrainingPrompts, images: TrainingImages, settings: TrainSettings) -> Examples:
    """Copies: tensors made under inference mode cannot take part in a gradient, copies of them can."""
    suppressed = [
        suppressed_positions(tokens, phrase, settings.suppress_end_of_text)
        for tokens, phrase in zip(prompts.encoded.tokens, prompts.phrases, strict=True)
    ]
    latents, masks, contexts = (
        x.to("cpu", torch.float32, copy=True)
        for x in (images.latents, images.masks, prompts.encoded.embeddings)
    )
    return Examples(latents, masks, contexts, torch.stack(suppressed))


@dataclass(frozen=True, eq=False)
class Sample:
    """What one concept contributes to a step: ``batch`` images, prompts, timesteps and noises."""

    x_0: Tensor
    eps: Tensor
    t: Tensor
    context: Tensor
    suppressed: Tensor
    masks: Tensor


def timesteps_of(settings: TrainSettings) -> Tensor:
    """How likely each timestep is drawn, ``[1000]``."""
    return timestep_probabilities() if settings.cfis else uniform_probabilities()


def draw(examples: Examples, xi: Tensor, batch: int, generator: torch.Generator) -> Sample:
    """Images, prompts, timesteps (from xi) and noise of one concept's step."""
    image = torch.randint(len(examples.latents), (batch,), generator=generator)
    prompt = torch.randint(len(examples.contexts), (batch,), generator=generator)
    t = torch.multinomial(xi, batch, replacement=True, generator=generator)
    x_0 = examples.latents[image]
    eps = torch.randn(x_0.shape, generator=generator)
    return Sample(x_0, eps, t, examples.contexts[prompt], examples.suppressed[prompt], examples.masks[image])


def _losses(
    model: AttentionModel,
    samples: Sequence[Sample],
    U: Mapping[str, Tensor],
    D: Mapping[str, Tensor],
    loss: str,
) -> Tensor:
    """Equation 3 of each concept ``[concepts]``, the mean over its samples."""
    x_0, eps, t, context, suppressed, masks = (
        torch.cat([getattr(sample, name) for sample in samples]) for name in Sample.__dataclass_fields__
    )
    batch = len(x_0) // len(samples)
    U, D = (
        {name: factor.repeat_interleave(batch, 0) for name, factor in factors.items()} for factors in (U, D)
    )
    A = model.attention(model.noise(x_0, t, eps), t, context, U, D)
    each = attention_losses(A, suppressed, masks, tuple(x_0.shape[-2:]), loss)
    return each.view(len(samples), batch).mean(1)


def _check_finite(losses: Tensor, jobs: Sequence[TrainingJob], step: int) -> None:
    for job, loss in zip(jobs, losses.detach().isfinite().tolist(), strict=True):
        if not loss:
            raise ValueError(
                f"The loss of '{job.concept.target}' became NaN or infinite at step {step}: "
                "lower the learning rate or run the model in float32."
            )


def _check_jobs(model: AttentionModel, jobs: Sequence[TrainingJob]) -> None:
    shapes = {(job.images.latents.shape[1:], job.images.masks.shape[1:]) for job in jobs}
    if len(shapes) != 1:
        raise ValueError(
            f"Concepts of {len(shapes)} shapes of images were given to be trained in one batch: "
            "give concepts whose images and masks have one shape."
        )
    for job in jobs:
        check_width(model, job.prompts)
