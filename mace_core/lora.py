"""One concept's low-rank edit of the refined projections (section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .concepts import Concept
from .moments import concept_moments
from .text import TextEncoder


@dataclass(frozen=True, eq=False)
class ConceptLoRA:
    """Delta W = U D per layer, trained for one concept on the refined model.

    U: layer -> ``[o, r]`` float32; D: layer -> ``[r, d]`` float32; a layer without factors has Delta W = 0.
    C: sum e e^T over all tokens of the concept's target prompts, ``[d, d]`` float64 (equation 7).
    fingerprint: of the text encoder; provenance: settings, images, final loss, versions.
    """

    concept: Concept
    U: dict[str, Tensor]
    D: dict[str, Tensor]
    C: Tensor
    fingerprint: str
    provenance: dict = field(default_factory=dict)


def initial_factors(layers: Mapping[str, tuple[int, int]], rank: int,
                    generator: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """U ``[o, rank]`` zero and D ``[rank, d]`` uniform in +-1/sqrt(d), per layer name -> (o, d), float32.

    U = 0 makes Delta W = 0 at the start, as LoRA does.
    """
    U = {name: torch.zeros(o, rank) for name, (o, _) in layers.items()}
    D = {name: (torch.rand(rank, d, generator=generator) * 2 - 1) / math.sqrt(d)
         for name, (_, d) in layers.items()}
    return U, D


def untrained_lora(encoder: TextEncoder, concept: Concept) -> ConceptLoRA:
    """Delta W = 0: a concept that fusion keeps as stage 1 left it."""
    return ConceptLoRA(concept, {}, {}, concept_moments(encoder, concept).C, encoder.fingerprint)
