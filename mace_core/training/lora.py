"""One concept's low-rank edit of the refined projections (section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..concepts.prompts import prompt_pairs
from ..encoder.text_encoder import TextEncoder, encode_once
from ..refinement.moments import concept_moments, second_moment


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


def initial_factors(
    layers: Mapping[str, tuple[int, int]], rank: int, generator: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """U ``[o, rank]`` zero and D ``[rank, d]`` uniform in +-1/sqrt(d), per layer name -> (o, d), float32.

    U = 0 makes Delta W = 0 at the start, as LoRA does.
    """
    U = {name: torch.zeros(o, rank) for name, (o, _) in layers.items()}
    D = {
        name: (torch.rand(rank, d, generator=generator) * 2 - 1) / math.sqrt(d)
        for name, (_, d) in layers.items()
    }
    return U, D


def untrained_lora(encoder: TextEncoder, concept: Concept) -> ConceptLoRA:
    """Delta W = 0: a concept that fusion keeps as stage 1 left it."""
    return ConceptLoRA(concept, {}, {}, concept_moments(encoder, concept).C, encoder.fingerprint)


def without_prompts_of_others(
    encoder: TextEncoder, lora: ConceptLoRA, naming: Mapping[str, Set[str]]
) -> ConceptLoRA:
    """The LoRA with C over those of its prompts that name no other concept (``templates_naming``).

    What a prompt says of another concept is for that concept's LoRA to answer, not for this one.
    """
    own = {pair.target for pair in prompt_pairs(lora.concept, naming)}
    others = [pair.target for pair in prompt_pairs(lora.concept) if pair.target not in own]
    if not others:
        return lora
    encoded = encode_once(encoder, others)
    return replace(lora, C=lora.C - second_moment(each.embeddings for each in encoded.values()))
