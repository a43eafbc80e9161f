"""A gate: where in a prompt an erasure acts.

Without a gate, an erasure changes every token embedding e to T e, so dozens of concepts together also move
tokens of concepts that nobody named. A gate g(e) in 0..1 is near 1 for tokens like those of the erased
concepts and exactly 0 for tokens far from all of them:

    k' = W (e + g (T - I) e) + g U D e

It depends on the text encoder and the prompts, never on the U-Net. A hardened gate (harden.py) also replaces
tokens of prompts about a concept, so that the layers read the surrogate's word instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from .pooled import PooledGate, joined_pooled

# Prototypes: of a phrase's last token, of the end-of-text token, of the padding.
WORD, END, PADDING = range(3)
# Ramps: for a word by itself, for a word of a prompt that is about the phrase, for END, for PADDING.
SURE, LIKELY, ENDED, PADDED = range(4)
NEVER = 2.0, 3.0  # a ramp that no cosine reaches: SURE of a phrase beside another object
CARRIES = 0.5  # of the largest cosine of a prompt: from the first such token on, tokens can carry the phrase
_TENSORS = ("centres", "whitening", "prototypes", "ramps")
HARDENED = ("directions", "levels", "landings")


@dataclass(frozen=True, eq=False)
class Gate:
    """Prototypes of n phrases of the erased concepts (targets and synonyms), all tensors float32. A phrase
    counts more than once: by itself, and beside another object.

    centres: ``[3, d]``, what WORD, END and PADDING tokens have in common; whitening: ``[d, d]``, shrinks what
    differs between templates; prototypes: ``[3, n, d]``, unit length; ramps: ``[4, 2, n]``, the cosines below
    which g is 0 and above which it is 1. Hardened along k directions (harden.py): directions: ``[k, n, d]``,
    levels: ``[2, k, n]``, landings: ``[n, d]``, the surrogate's word. pooled: the gate of the prompt's
    pooled vector, for text encoders that have one.
    Raises ValueError if the shapes do not fit together or a number is not finite.
    """

    centres: Tensor
    whitening: Tensor
    prototypes: Tensor
    ramps: Tensor
    directions: Tensor | None = None
    levels: Tensor | None = None
    landings: Tensor | None = None
    pooled: PooledGate | None = None

    def __post_init__(self) -> None:
        d, n = self.whitening.shape[-1], self.prototypes.shape[1] if self.prototypes.ndim == 3 else -1
        tensors = tuple(self.state().values())
        k = None if self.directions is None else self.directions.shape[0]
        if [tuple(tensor.shape) for tensor in tensors] != gate_shapes(d, n, k):
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
        hardened = {name: getattr(self, name) for name in HARDENED}
        found = {name: tensor for name, tensor in hardened.items() if tensor is not None}
        return {name: getattr(self, name) for name in _TENSORS} | found

    def to(self, device: torch.device | str, copy: bool = False) -> Gate:
        """The gate on another device; tensors of any shape."""
        pooled = self.pooled and self.pooled.to(device, copy)
        moved = {name: tensor.to(device, copy=copy) for name, tensor in self.state().items()}
        return Gate(**moved, pooled=pooled)


def gate_shapes(d: int, n: int, k: int | None = None) -> list[tuple[int, ...]]:
    """The shapes of a gate of n phrases: ``[3, d]``, ``[d, d]``, ``[3, n, d]``, ``[4, 2, n]``; hardened along
    k directions also ``[k, n, d]``, ``[2, k, n]``, ``[n, d]``."""
    return [(3, d), (d, d), (3, n, d), (4, 2, n), *([] if k is None else [(k, n, d), (2, k, n), (n, d)])]


def joined(gates: Sequence[Gate]) -> Gate:
    """The gate of all phrases of some gates with the same centres ``[3, d]`` and whitening ``[d, d]``, all
    hardened along equally many directions or none.

    No phrase changes what another one does, and their order does not matter.
    """
    first, pooled = gates[0], [gate.pooled for gate in gates if gate.pooled is not None]
    over_phrases = {"prototypes": 1, "ramps": 2, "directions": 1, "levels": 2, "landings": 0}
    states = [gate.state() for gate in gates]
    return replace(
        first,
        **{
            name: torch.cat([state[name] for state in states], over_phrases[name])
            for name in states[0]
            if name in over_phrases
        },
        pooled=joined_pooled(pooled) if len(pooled) == len(gates) else None,
    )


def gate_values(gate: Gate, e: Tensor) -> Tensor:
    """g ``[..., L]`` in 0..1 for the token embeddings e ``[..., L, d]`` of prompts, in float32.

    A token counts as a phrase's word if it is surely that word, or if it is likely and the prompt is about
    the phrase: synonyms are farther from the prototype than the word itself, but not so their end tokens.
    Beside another object, only tokens from the phrase on can be likely: the text encoder reads from left to
    right, so those before it carry nothing of it.
    """
    return _opened(gate, cosines(gate, e))[0].amax(-1)


def replacements(gate: Gate, e: Tensor) -> tuple[Tensor, Tensor]:
    """h ``[..., L]`` in 0..1 and r ``[..., L, d]`` for e as in ``gate_values``, of a hardened gate: a token
    becomes (1 - h) times what it was plus h r.

    r is the surrogate's word. A token is replaced that is surely the word, or that reaches farther than other
    words in a prompt about the phrase: hardening opens no other prompt. The end and the padding stay: they
    carry the whole prompt, which would be lost.
    """
    cosine = cosines(gate, e)
    along = torch.einsum("...d,knd->k...n", e.float() - gate.centres[WORD], gate.directions)
    low, high = gate.levels.view(2, -1, *[1] * (e.ndim - 1), gate.levels.shape[-1])
    opened, about = _opened(gate, cosine)
    sure = _ramp(gate, SURE, cosine[WORD])
    far = ((along - low) / (high - low)).clamp(0, 1).amax(0) * about
    each = torch.maximum(far, sure) * (1 - _whole(gate, cosine, opened))
    shares = each / each.sum(-1, keepdim=True).clamp(min=torch.finfo(each.dtype).tiny)
    return each.amax(-1), shares @ gate.landings


def _whole(gate: Gate, cosine: Tensor, opened: Tensor) -> Tensor:
    """How much each token ``[..., L, 1]`` is the end or the padding of a prompt about a phrase: as close to
    an end as that, closer to it than to the word, and after a token for which the gate opens."""
    kind = cosine[..., _alone(gate)].amax(-1, keepdim=True).argmax(0)
    after = pad(opened.amax(-1, keepdim=True).cummax(-2).values[..., :-1, :], (0, 0, 1, 0))
    return _ended(gate, cosine).amax(-1, keepdim=True) * (kind != WORD) * after


def _opened(gate: Gate, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """From the cosines ``[3, ..., L, n]``: how much each phrase opens for each token ``[..., L, n]``, and for
    the whole prompt ``[..., 1, n]``."""
    word, ended = cosine[WORD], _ended(gate, cosine)
    sure = _ramp(gate, SURE, word)
    about = torch.maximum(ended, sure).amax(-2, keepdim=True)
    carries = (word.cummax(-2).values >= CARRIES * word.amax(-2, keepdim=True)) | _alone(gate)
    likely = _ramp(gate, LIKELY, word) * about * carries
    return torch.maximum(ended, torch.maximum(sure, likely)), about


def _ended(gate: Gate, cosine: Tensor) -> Tensor:
    """How much each token is the end or the padding of a prompt about each phrase, ``[..., L, n]``."""
    return torch.maximum(_ramp(gate, ENDED, cosine[END]), _ramp(gate, PADDED, cosine[PADDING]))


def _alone(gate: Gate) -> Tensor:
    """Which phrases are by themselves, ``[n]``."""
    return gate.ramps[SURE, 0] < NEVER[0]


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
