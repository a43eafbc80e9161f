"""One concept's low-rank edit of the refined projections (section 4.2), and how it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..concepts.prompts import prompt_pairs
from ..encoder.text_encoder import TextEncoder, encode_once
from ..files.layout import Layout
from ..files.records import Record
from ..refinement.moments import concept_moments, second_moment
from ..version import VERSION
from .effect import Effect
from .factors import LowRank
from .settings import NORMAL, UNIFORM, TrainSettings

_FACTOR = ((torch.float32,), 2)
_LAYOUT = Layout({"C": ((torch.float64,), 2), "U.*": _FACTOR, "D.*": _FACTOR})


@dataclass(frozen=True)
class Provenance(Record):
    """How a LoRA was trained. method: ``"exact"`` or ``"fast"``; images: how many; final_loss: equation 3 at
    the end; effect: on samples held out, None in older files; pack, torch: versions."""

    settings: TrainSettings
    images: int
    final_loss: float
    method: str = "exact"
    pack: str = VERSION
    torch: str = str(torch.__version__)
    effect: Effect | None = None


@dataclass(frozen=True, eq=False)
class ConceptLoRA:
    """Delta W = U D per layer, trained for one concept on the refined model.

    low_rank: U ``[o, r]`` and D ``[r, d]``, float32.
    C: sum e e^T over all tokens of the concept's target prompts, ``[d, d]`` float64 (equation 7).
    fingerprint: of the text encoder; provenance: None if it was not trained.
    """

    concept: Concept
    low_rank: LowRank
    C: Tensor
    fingerprint: str
    provenance: Provenance | None = None


def initial_factors(
    layers: Mapping[str, tuple[int, int]], rank: int, generator: torch.Generator, initial: str = UNIFORM
) -> LowRank:
    """U ``[o, rank]`` zero and D ``[rank, d]`` random, for layers name -> (o, d), float32.

    U = 0 makes Delta W = 0 at the start, as in LoRA. initial: ``"uniform"`` in +-1/sqrt(d), as in peft;
    ``"normal"`` N(0, 1 / rank^2), as in the LoRA layer of diffusers' attention processors.
    """

    def D(d: int) -> Tensor:
        if initial == NORMAL:
            return torch.randn(rank, d, generator=generator) / rank
        return (torch.rand(rank, d, generator=generator) * 2 - 1) / math.sqrt(d)

    return LowRank({name: (torch.zeros(o, rank), D(d)) for name, (o, d) in layers.items()})


def untrained_lora(encoder: TextEncoder, concept: Concept) -> ConceptLoRA:
    """Delta W = 0: fusion leaves the concept as stage 1 made it."""
    return ConceptLoRA(concept, LowRank(), concept_moments(encoder, concept).C, encoder.fingerprint)


def without_prompts_of_others(
    encoder: TextEncoder, lora: ConceptLoRA, naming: Mapping[str, Set[str]]
) -> ConceptLoRA:
    """The LoRA with C over those of its prompts that name no other concept (``templates_naming``).

    A prompt that names another concept is left to the LoRA of that concept.
    """
    own = {pair.target for pair in prompt_pairs(lora.concept, naming)}
    others = [pair.target for pair in prompt_pairs(lora.concept) if pair.target not in own]
    if not others:
        return lora
    encoded = encode_once(encoder, others)
    return replace(lora, C=lora.C - second_moment(each.embeddings for each in encoded.values()))


def pack_lora(lora: ConceptLoRA, losses: list[float]) -> tuple[dict[str, Tensor], dict]:
    """The LoRA and the losses of its training as tensors and a description (JSON), for the cache."""
    return {"C": lora.C, **lora.low_rank.state()}, {
        "concept": lora.concept.to_json(),
        "fingerprint": lora.fingerprint,
        "provenance": lora.provenance.to_json() if lora.provenance else None,
        "losses": losses,
    }


@dataclass(frozen=True)
class _Kept(Record):
    """The description of ``pack_lora``."""

    concept: Concept
    fingerprint: str
    losses: tuple[float, ...]
    provenance: Provenance | None = None


def unpack_lora(tensors: Mapping[str, Tensor], description: Mapping) -> tuple[ConceptLoRA, list[float]]:
    """What ``pack_lora`` was given, bit for bit. Raises ValueError for tensors or a description of another
    form."""
    _LAYOUT.check(tensors, "A LoRA in the cache")
    kept = _Kept.from_json(description, "The description of a LoRA in the cache")
    low_rank, d = LowRank.from_state(tensors), len(tensors["C"])
    if tensors["C"].shape != (d, d) or any(D.shape != (U.shape[1], d) for U, D in low_rank.values()):
        raise ValueError("The tensors of a LoRA in the cache do not fit together: make it again.")
    lora = ConceptLoRA(kept.concept, low_rank, tensors["C"], kept.fingerprint, kept.provenance)
    return lora, list(kept.losses)
