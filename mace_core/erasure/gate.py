"""A gate: where in a prompt an erasure acts.

Without a gate, an erasure changes every token embedding e to T e, so dozens of concepts together also move
tokens of concepts that nobody named. A gate g(e) in 0..1 is near 1 for tokens like those of the erased
concepts and exactly 0 for tokens far from all of them:

    k' = W (e + g (T - I) e) + g U D e

It depends on the text encoder and the prompts, never on the U-Net.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .pooled import PooledGate, joined_pooled

# Prototypes: of a phrase's last token, of the end-of-text token, of the padding.
WORD, END, PADDING = range(3)
# Ramps: for a word by itself, for a word of a prompt that is about the phrase, for END, for PADDING.
SURE, LIKELY, ENDED, PADDED = range(4)
_TENSORS = ("centres", "whitening", "prototypes", "ramps")


@dataclass(frozen=True, eq=False)
class Gate:
    """Prototypes of n phrases of the erased concepts (targets and synonyms), all tensors float32.

    centres: ``[3, d]``, what WORD, END and PADDING tokens have in common; whitening: ``[d, d]``, shrinks what
    differs between templates; prototypes: ``[3, n, d]``, unit length; ramps: ``[4, 2, n]``, the cosines below
    which g is 0 and above which it is 1. pooled: the gate of the prompt's pooled vector, for text encoders
    that have one.
    Raises ValueError if the shapes do not fit together or a number is not finite.
    """

    centres: Tensor
    whitening: Tensor
    prototypes: Tensor
    ramps: Tensor
    pooled: PooledGate | None = None

    def __post_init__(self) -> None:
        d, n = self.whitening.shape[-1], self.prototypes.shape[1] if self.prototypes.ndim == 3 else -1
        tensors = tuple(self.state().values())
        if [tuple(tensor.shape) for tensor in tensors] != gate_shapes(d, n):
            raise ValueError("The tensors of the gate do not fit together: make the erasure again.")
        if not all(tensor.is_floating_point() and tensor.isfinite().all() for tensor in tensors):
            raise ValueError("The gate contains NaN or infinity: make the erasure again.")

    @property
    def width(self) -> int:
        """d, the width of the text encoder."""
        return self.whitening.shape[0]

    def state(self) -> dict[str, Tensor]:
        """Name -> tensor, as a file holds them: ``centres`` and the others, without ``pooled``; shapes as
        above."""
        return {name: getattr(self, name) for name in _TENSORS}

    def to(self, device: torch.device | str, copy: bool = False) -> Gate:
        """The gate on another device; tensors of any shape."""
        pooled = self.pooled and self.pooled.to(device, copy)
        return Gate(*(tensor.to(device, copy=copy) for tensor in self.state().values()), pooled)


def gate_shapes(d: int, n: int) -> list[tuple[int, ...]]:
    """The shapes of a gate of n phrases: ``[3, d]``, ``[d, d]``, ``[3, n, d]``, ``[4, 2, n]``."""
    return [(3, d), (d, d), (3, n, d), (4, 2, n)]


def joined(gates: Sequence[Gate]) -> Gate:
    """The gate of all phrases of some gates with the same centres ``[3, d]`` and whitening ``[d, d]``.

    No phrase changes what another one does, and their order does not matter.
    """
    first, pooled = gates[0], [gate.pooled for gate in gates if gate.pooled is not None]
    return Gate(
        first.centres,
        first.whitening,
        torch.cat([gate.prototypes for gate in gates], 1),
        torch.cat([gate.ramps for gate in gates], 2),
        joined_pooled(pooled) if len(pooled) == len(gates) else None,
    )


def gate_values(gate: Gate, e: Tensor) -> Tensor:
    """g ``[..., L]`` in 0..1 for the token embeddings e ``[..., L, d]`` of prompts, in float32.

    A token counts as a phrase's word if it is surely that word, or if it is likely and the prompt is about
    the phrase: synonyms are farther from the prototype than the word itself, but not so their end tokens.
    """
    word, end, padding = cosines(gate, e)
    ended = torch.maximum(_ramp(gate, ENDED, end), _ramp(gate, PADDED, padding))
    sure = _ramp(gate, SURE, word)
    about = torch.maximum(ended, sure).amax(-2, keepdim=True)  # [..., 1, n]: is the prompt about the phrase?
    likely = _ramp(gate, LIKELY, word) * about
    return torch.maximum(ended, torch.maximum(sure, likely)).amax(-1)


def cosines(gate: Gate, e: Tensor) -> Tensor:
    """The cosine of each token with each prototype, ``[3, ..., L, n]``, for e ``[..., L, d]``."""
    e = e.float()
    each = [
        normalize((e - centre) @ gate.whitening, dim=-1) @ prototypes.T
        for centre, prototypes in zip(gate.centres, gate.prototypes, strict=True)
    ]
    return torch.stack(each)


def _ramp(gate: Gate, which: int, cosine: Tensor) -> Tensor:
    low, high = gate.ramps[which]
    return ((cosine - low) / (high - low)).clamp(0, 1)
