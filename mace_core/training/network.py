"""What stage 2 and the attacks need from a U-Net; nodes/host/attention.py provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from torch import Tensor

from .factors import LowRank
from .training_set import TrainingPrompts

Result = TypeVar("Result")
TIMESTEPS = 1000  # of the schedule that Stable Diffusion was trained with


class AttentionModel(Protocol):
    """The cross-attentions of a refined U-Net. Tensors arrive on the CPU; the model moves them."""

    layers: Mapping[str, tuple[int, int]]  # name of a to_k or to_v of an attn2 -> (o, d)

    def attention(self, x_t: Tensor, t: Tensor, context: Tensor, lora: LowRank) -> list[Tensor]:
        """The probabilities of each cross-attention ``[B, heads, h*w, L]``, with W + U D in place of W.

        x_t ``[B, channels, h, w]``; t ``[B]`` int64; context ``[B, L, d]``. The LoRA is one for all samples,
        or has a leading dimension B with one for each.
        """
        ...

    def queries(
        self, x_t: Tensor, t: Tensor, context: Tensor, of: Callable[[Tensor], Result]
    ) -> dict[str, Result]:
        """Name of each to_k -> ``of`` its queries ``[B, heads, h*w, dh]``; without gradients."""
        ...

    def noise(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t by the model's own noise schedule at the timesteps t ``[B]``."""
        ...


def check_width(model: AttentionModel, prompts: TrainingPrompts) -> None:
    """Raise ValueError if the model reads embeddings of another width than the prompts'."""
    widths, d = sorted({width for _, width in model.layers.values()}), prompts.encoded.embeddings.shape[-1]
    if widths != [d]:
        raise ValueError(
            f"The text encoder gives embeddings of width {d} and the attn2 layers of the model "
            f"read {widths}: use the CLIP and the MODEL of the same SD1, SD2 or SDXL checkpoint."
        )


class NoiseModel(Protocol):
    """A U-Net. Tensors arrive on the CPU; the model moves them."""

    layers: Mapping[str, tuple[int, int]]  # name of a to_k or to_v of an attn2 -> (o, d)

    def noise(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t by the model's own noise schedule at the timesteps t ``[B]``."""
        ...

    def predicted_noise(self, x_t: Tensor, t: Tensor, context: Tensor, lora: LowRank) -> Tensor:
        """eps_hat ``[B, channels, h, w]`` with W + U D in place of W, differentiable in context, U and D."""
        ...
