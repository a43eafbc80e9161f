"""What training draws at random: images, prompts, timesteps and noise of one concept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .attention_loss import suppressed_positions
from .importance import timestep_probabilities, uniform_probabilities
from .network import TIMESTEPS
from .settings import TrainSettings
from .training_set import TrainingImages, TrainingPrompts


@dataclass(frozen=True, eq=False)
class Examples:
    """What a sample is drawn from.

    latents ``[n, channels, h, w]`` and masks ``[n, H, W]`` by image; contexts ``[prompts, L, d]`` and
    suppressed ``[prompts, L]`` by prompt.
    """

    latents: Tensor
    masks: Tensor
    contexts: Tensor
    suppressed: Tensor


@dataclass(frozen=True, eq=False)
class Sample:
    """B draws: x_0, eps ``[B, channels, h, w]``; t ``[B]``; context ``[B, L, d]``; suppressed ``[B, L]``;
    masks ``[B, H, W]``."""

    x_0: Tensor
    eps: Tensor
    t: Tensor
    context: Tensor
    suppressed: Tensor
    masks: Tensor

    def __getitem__(self, part: slice) -> Sample:
        """Some of the draws."""
        return Sample(*(getattr(self, field.name)[part] for field in fields(self)))


def joined(samples: Sequence[Sample]) -> Sample:
    """Samples one after the other, as one."""
    return Sample(*(torch.cat([getattr(each, field.name) for each in samples]) for field in fields(Sample)))


def examples_of(prompts: TrainingPrompts, images: TrainingImages, settings: TrainSettings) -> Examples:
    """Copies of a concept's training data: tensors made under inference mode cannot have gradients."""
    suppressed = [
        suppressed_positions(tokens, phrase, settings.suppress_end_of_text)
        for tokens, phrase in zip(prompts.encoded.tokens, prompts.phrases, strict=True)
    ]
    latents, masks, contexts = (
        x.to("cpu", torch.float32, copy=True)
        for x in (images.latents, images.masks, prompts.encoded.embeddings)
    )
    return Examples(latents, masks, contexts, torch.stack(suppressed))


def timesteps_of(settings: TrainSettings) -> Tensor:
    """The probability of each timestep, ``[1000]``."""
    return timestep_probabilities() if settings.cfis else uniform_probabilities()


def between(first: int, last: int) -> Tensor:
    """The same probability for each timestep from first to last, ``[1000]`` float64."""
    xi = torch.zeros(TIMESTEPS, dtype=torch.float64)
    xi[first : last + 1] = 1 / (last + 1 - first)
    return xi


def drawn_evenly(examples: Examples, xi: Tensor, count: int, generator: torch.Generator) -> Sample:
    """As ``draw``, but all images come equally often, and the timesteps are the middles of ``count`` equal
    shares of xi ``[1000]``: few draws then cover all of them."""
    sample = draw(examples, xi, count, generator)
    image = torch.arange(count) % len(examples.latents)
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    t = torch.searchsorted(xi.cumsum(0), middles).clamp(max=len(xi) - 1)
    return replace(sample, x_0=examples.latents[image], masks=examples.masks[image], t=t)


def draw(examples: Examples, xi: Tensor, batch: int, generator: torch.Generator) -> Sample:
    """``batch`` draws of an image, a prompt, a timestep (from xi ``[1000]``) and noise."""
    image = torch.randint(len(examples.latents), (batch,), generator=generator)
    prompt = torch.randint(len(examples.contexts), (batch,), generator=generator)
    t = torch.multinomial(xi, batch, replacement=True, generator=generator)
    x_0 = examples.latents[image]
    eps = torch.randn(x_0.shape, generator=generator)
    return Sample(x_0, eps, t, examples.contexts[prompt], examples.suppressed[prompt], examples.masks[image])
