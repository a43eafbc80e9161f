"""What stage 2 and the attacks ask of a network; nodes/host/network.py answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from torch import Tensor

from .training_set import TrainingPrompts

Result = TypeVar("Result")


class AttentionModel(Protocol):
    """The refined U-Net, seen from its cross-attentions. Tensors arrive on the CPU; the model moves them."""

    layers: Mapping[str, tuple[int, int]]  # name of a to_k or to_v of an attn2 -> (o, d)

    def attention(
        self, x_t: Tensor, t: Tensor, context: Tensor, U: Mapping[str, Tensor], D: Mapping[str, Tensor]
    ) -> list[Tensor]:
        """Per cross-attention layer the probabilities ``[B, heads, h*w, L]`` with W + U D in place of W.

        x_t ``[B, channels, h, w]``; t ``[B]`` int64; context ``[B, L, d]``. U ``[o, r]`` and D ``[r, d]`` are
        one LoRA for all samples, U ``[B, o, r]`` and D ``[B, r, d]`` each sample's own.
        """
        ...

    def queries(
        self, x_t: Tensor, t: Tensor, context: Tensor, of: Callable[[Tensor], Result]
    ) -> list[Result]:
        """Per cross-attention layer what ``of`` makes of its queries ``[B, heads, h*w, dh]``; no gradient."""
        ...

    def noise(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t of the model's own schedule at the timesteps t ``[B]``."""
        ...


def check_width(model: AttentionModel, prompts: TrainingPrompts) -> None:
    """Raise ValueError unless the model reads embeddings as wide as the prompts'."""
    widths, d = sorted({width for _, width in model.layers.values()}), prompts.encoded.embeddings.shape[-1]
    if widths != [d]:
        raise ValueError(
            f"The text encoder gives embeddings of width {d} and the attn2 layers of the model "
            f"read {widths}: use the CLIP and the MODEL of one SD1, SD2 or SDXL checkpoint."
        )


class NoiseModel(Protocol):
    """A U-Net. Tensors arrive on the CPU; the model moves them."""

    layers: Mapping[str, tuple[int, int]]  # name of a to_k or to_v of an attn2 -> (o, d)

    def noise(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t of the model's own schedule at the timesteps t ``[B]``."""
        ...

    def predicted_noise(
        self, x_t: Tensor, t: Tensor, context: Tensor, U: Mapping[str, Tensor], D: Mapping[str, Tensor]
    ) -> Tensor:
        """eps_hat ``[B, channels, h, w]`` with W + U D in place of W, differentiable in context, U and D."""
        ...
