"""UCE's closed form (Gandikota et al., "Unified Concept Editing in Diffusion Models", WACV 2024), for
comparison: our own implementation of its equation 7, with the settings that its authors publish.

    W* = (sum_E W v c^T + a sum_P W c c^T + b W) (sum_E c c^T + a sum_P c c^T + b I)^-1

c: embeddings of the target, from its last token to the end of the context; v: those of the surrogate, from
its last token on; P: all tokens of the names to preserve and of the empty prompt. W factors out on the left,
as in MACE: W* = W T, so the result is an erasure without low-rank factors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mace_core.encoder.text_encoder import TextEncoder
from mace_core.refinement.refine import right_divide

IDENTITY = 0.5  # b, the authors' "lamb"
LEAST_PRESERVED = 0.1  # a = max(0.1, 1 / number of prompts to preserve)


def uce(encoder: TextEncoder, pairs: Sequence[tuple[str, str]], keep: Sequence[str]) -> Tensor:
    """T ``[d, d]`` float64 for (target, surrogate) pairs; keep: the names to preserve."""
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
    """Embeddings ``[n, d]``, from the last token of a name to the end of the context."""
    return _encode(encoder, [name])[0, len(encoder.word_tokens(name)) :]


def _encode(encoder: TextEncoder, prompts: Sequence[str]) -> Tensor:
    return encoder.encode(prompts).embeddings.double()
