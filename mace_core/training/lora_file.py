"""A finished concept LoRA as tensors and a description, for the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from torch import Tensor

from ..concepts.concepts import Concept
from .lora import ConceptLoRA


def pack_lora(lora: ConceptLoRA, losses: list[float]) -> tuple[dict[str, Tensor], dict]:
    """Its factors, its statistics C and the losses of its training."""
    tensors = {
        "C": lora.C,
        **{f"U.{name}": u for name, u in lora.U.items()},
        **{f"D.{name}": d for name, d in lora.D.items()},
    }
    return tensors, {
        "concept": asdict(lora.concept),
        "fingerprint": lora.fingerprint,
        "provenance": lora.provenance,
        "losses": losses,
    }


def unpack_lora(tensors: Mapping[str, Tensor], description: Mapping) -> tuple[ConceptLoRA, list[float]]:
    """What ``pack_lora`` was given, to the bit."""
    U, D = (
        {name[2:]: tensors[name] for name in sorted(tensors) if name.startswith(letter)}
        for letter in ("U.", "D.")
    )
    concept = description["concept"]
    concept = Concept(**{**concept, "synonyms": tuple(concept["synonyms"])})
    lora = ConceptLoRA(concept, U, D, tensors["C"], description["fingerprint"], description["provenance"])
    return lora, description["losses"]
