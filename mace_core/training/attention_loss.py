"""The loss of stage 2: attention to the concept's tokens inside its mask (section 4.2, equation 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..encoder.alignment import end_token
from ..encoder.text_encoder import END_OF_TEXT
from .attention_maps import layer_size, resize_masks
from .settings import SQUARED


def suppressed_positions(tokens: Tensor, phrase: slice, suppress_end_of_text: bool = False) -> Tensor:
    """The token positions whose attention is suppressed, bool ``[L]`` for ids ``tokens`` ``[L]``.

    They are those of the phrase, and with ``suppress_end_of_text`` also the end token and its copies, with
    which SD1 pads.
    """
    chosen = torch.zeros(len(tokens), dtype=torch.bool)
    chosen[phrase] = True
    if suppress_end_of_text:
        end = end_token(tokens, phrase)
        chosen[end:] = tokens[end:].cpu() == END_OF_TEXT
    return chosen


def attention_losses(
    probabilities: Sequence[Tensor],
    suppressed: Tensor,
    masks: Tensor,
    latent_size: tuple[int, int],
    loss: str = SQUARED,
) -> Tensor:
    """Equation 3 for each sample ``[B]``: the sum over suppressed tokens i and layers l of || A_l^i . M
    ||_F^2.

    probabilities: per layer A ``[B, heads, h*w, L]``; suppressed: bool ``[B, L]``;
    masks: M ``[B, H, W]`` in 0..1; latent_size: (height, width) of the latent.
    The Frobenius norm covers the pixels and the heads of a layer, so the squared loss is a sum over heads.
    ``loss="norm"`` does not square the norm.
    """
    total = torch.zeros(len(masks), device=probabilities[0].device)
    for A in probabilities:
        M = resize_masks(masks, layer_size(A.shape[2], latent_size)).to(A.device)
        norms = torch.linalg.vector_norm(A.float() * M[:, None, :, None], dim=(1, 2))  # [B, L]
        norms = norms.masked_fill(~suppressed.to(A.device), 0)
        total = total + (norms.square() if loss == SQUARED else norms).sum(1)
    return total
