"""Stage 2: one LoRA per concept, trained to keep attention off the concept (section 4.2, equations 3-5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
from torch import Tensor

from .attention_loss import LOSSES, attention_loss, suppressed_positions
from .concepts import Concept
from .importance import timestep_probabilities, uniform_probabilities
from .lora import ConceptLoRA, initial_factors
from .moments import second_moment
from .training_set import TrainingImages, TrainingPrompts
from .version import VERSION

BETAS, WEIGHT_DECAY, GRADIENT_CLIP = (0.9, 0.999), 0.01, 1.0  # the authors' AdamW settings


class AttentionModel(Protocol):
    """The refined U-Net, seen from its cross-attentions. Tensors arrive on the CPU; the model moves them."""

    layers: Mapping[str, tuple[int, int]]  # name of a to_k or to_v of an attn2 -> (o, d)

    def attention(self, x_t: Tensor, t: Tensor, context: Tensor, U: Mapping[str, Tensor],
                  D: Mapping[str, Tensor]) -> list[Tensor]:
        """Per cross-attention layer the probabilities ``[B, heads, h*w, L]`` with W + U D in place of W.

        x_t ``[B, channels, h, w]``; t ``[B]`` int64; context ``[B, L, d]``.
        """
        ...

    def noise(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t of the model's own schedule at the timesteps t ``[B]``."""
        ...


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
                raise ValueError(f"The {name} of the training is {getattr(self, name)}: "
                                 "give a whole number of 1 or more.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"The learning rate is {self.learning_rate}: give a number above 0.")
        if self.loss not in LOSSES:
            raise ValueError(f"The loss is '{self.loss}': use one of {', '.join(LOSSES)}.")


def train_concept_lora(model: AttentionModel, prompts: TrainingPrompts, images: TrainingImages,
                       concept: Concept, settings: TrainSettings,
                       on_step: Callable[[int, int, float], None] | None = None,
                       ) -> tuple[ConceptLoRA, list[float]]:
    """Train U and D of every layer; returns the LoRA (float32, CPU) and the loss of each step.

    ``on_step(step, steps, loss)`` is called after each step and may raise to cancel. Only U and D are written
    to: the model and the inputs stay as they are. The same seed gives the same result. Works under inference
    mode. Raises ValueError when the prompts have another width than the model, or the loss is not finite.
    """
    _check_width(model, prompts)
    generator = torch.Generator().manual_seed(settings.seed)
    losses: list[float] = []
    with torch.inference_mode(False), torch.enable_grad():
        examples = _examples(prompts, images, settings)
        xi = timestep_probabilities() if settings.cfis else uniform_probabilities()
        U, D = initial_factors(model.layers, settings.rank, generator)
        factors = [factor.requires_grad_() for factor in (*U.values(), *D.values())]
        optimiser = torch.optim.AdamW(factors, settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY)
        for step in range(1, settings.steps + 1):
            loss = _step_loss(model, examples, xi, U, D, settings, generator)
            if not torch.isfinite(loss):
                raise ValueError(f"The loss of '{concept.target}' became NaN or infinite at step {step}: "
                                 "lower the learning rate or run the model in float32.")
            optimiser.zero_grad()
            loss.backward()
            # The last to_v has no gradient, nothing after it enters the loss; both lines below skip it.
            torch.nn.utils.clip_grad_norm_(factors, GRADIENT_CLIP)
            optimiser.step()
            losses.append(loss.item())
            if on_step is not None:
                on_step(step, settings.steps, losses[-1])
    U, D = ({name: factor.detach() for name, factor in factors.items()} for factors in (U, D))
    provenance = {"settings": asdict(settings), "images": len(images.latents), "final_loss": losses[-1],
                  "pack": VERSION, "torch": str(torch.__version__)}
    C = second_moment([prompts.encoded.embeddings])
    return ConceptLoRA(concept, U, D, C, prompts.fingerprint, provenance), losses


@dataclass(frozen=True, eq=False)
class _Examples:
    """What a step draws from: images and masks by image, contexts and suppressed positions by prompt."""

    latents: Tensor  # [n, channels, h, w]
    masks: Tensor  # [n, H, W]
    contexts: Tensor  # [prompts, L, d]
    suppressed: Tensor  # [prompts, L]


def _examples(prompts: TrainingPrompts, images: TrainingImages, settings: TrainSettings) -> _Examples:
    """Copies: tensors made under inference mode cannot take part in a gradient, copies of them can."""
    suppressed = [suppressed_positions(tokens, phrase, settings.suppress_end_of_text)
                  for tokens, phrase in zip(prompts.encoded.tokens, prompts.phrases, strict=True)]
    latents, masks, contexts = (x.to("cpu", torch.float32, copy=True)
                                for x in (images.latents, images.masks, prompts.encoded.embeddings))
    return _Examples(latents, masks, contexts, torch.stack(suppressed))


def _step_loss(model: AttentionModel, examples: _Examples, xi: Tensor, U: Mapping[str, Tensor],
               D: Mapping[str, Tensor], settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """Equation 3 on drawn images, prompts, timesteps (from xi) and noise."""
    image = torch.randint(len(examples.latents), (settings.batch,), generator=generator)
    prompt = torch.randint(len(examples.contexts), (settings.batch,), generator=generator)
    t = torch.multinomial(xi, settings.batch, replacement=True, generator=generator)
    x_0 = examples.latents[image]
    x_t = model.noise(x_0, t, torch.randn(x_0.shape, generator=generator))
    A = model.attention(x_t, t, examples.contexts[prompt], U, D)
    return attention_loss(A, examples.suppressed[prompt], examples.masks[image], tuple(x_0.shape[-2:]),
                          settings.loss)


def _check_width(model: AttentionModel, prompts: TrainingPrompts) -> None:
    widths, d = sorted({width for _, width in model.layers.values()}), prompts.encoded.embeddings.shape[-1]
    if widths != [d]:
        raise ValueError(f"The text encoder gives embeddings of width {d} and the attn2 layers of the model "
                         f"read {widths}: use the CLIP and the MODEL of one SD1, SD2 or SDXL checkpoint.")
