"""UCE's closed form (Gandikota et al., "Unified Concept Editing in Diffusion Models", WACV 2024), for
comparison: our own implementation of its equation 7, at the settings its authors publish.

    W* = (sum_E W v c^T + a sum_P W c c^T + b W) (sum_E c c^T + a sum_P c c^T + b I)^-1

c: embeddings of the name to erase, from its last token to the end of the context; v: those of the surrogate,
from its last token on; P: all tokens of the names to keep and of the empty prompt. W factors out on the left
as it does in MACE, so that W* = W T and the result is an erasure without low-rank factors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mace_core.encoder.text_encoder import TextEncoder
from mace_core.refinement.refine import right_divide

IDENTITY = 0.5  # b, the authors' "lamb"
LEAST_PRESERVED = 0.1  # a = max(0.1, 1 / number of prompts to keep)


def uce(encoder: TextEncoder, pairs: Sequence[tuple[str, str]], keep: Sequence[str]) -> Tensor:
    """T ``[d, d]`` float64 for (name, surrogate) pairs and the names to keep."""
    kept = _encode(encoder, ["", *keep])
    d = kept.shape[-1]
    preserve = max(LEAST_PRESERVED, 1 / len(kept))
    rows = kept.reshape(-1, d)
    constant = preserve * rows.T @ rows + IDENTITY * torch.eye(d, dtype=torch.float64)
    left, right = constant.clone(), constant
    for name, surrogate in pairs:
        c, v = from_last_token(encoder, name), from_last_token(encoder, surrogate)
        length = min(len(c), len(v))
        left += v[:length].T @ c[:length]
        right = right + c[:length].T @ c[:length]
    return right_divide(left, right)


def from_last_token(encoder: TextEncoder, name: str) -> Tensor:
    """Embeddings from the last of a name's tokens to the end of the context, ``[n, d]``."""
    return _encode(encoder, [name])[0, len(encoder.word_tokens(name)) :]


def _encode(encoder: TextEncoder, prompts: Sequence[str]) -> Tensor:
    return encoder.encode(prompts).embeddings.double()
