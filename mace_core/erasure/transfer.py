"""What is exact, and what is not, when an erasure is applied to a U-Net."""

from __future__ import annotations

from .erasure import Erasure

NOT_CHECKED = "The text encoder was not checked: connect CLIP."


def transferred(erasure: Erasure, base: str, doubt: str) -> str:
    """One or two sentences for the user: which part of ``erasure`` is exact on the model with fingerprint
    ``base``.

    W T is right for any U-Net, because T depends on the text encoder only. U D was trained on one U-Net and
    is added unchanged to any other. doubt: a sentence about the text encoder, empty if it is known to be the
    same.
    """
    encoder = f" {doubt}" if doubt else ""
    if not erasure.is_fused:
        return f"Closed form only: exact on every checkpoint with the same text encoder.{encoder}"
    if not erasure.base:
        return (
            "The closed-form part is exact. The checkpoint that the concept LoRAs were trained on is "
            f"not recorded, so their effect here is unknown: generate images to check.{encoder}"
        )
    if erasure.base == base:
        return f"Same checkpoint as in training: the whole erasure is exact.{encoder}"
    return (
        "Another checkpoint than in training: the closed-form part is exact, because it depends on the "
        "text encoder only. The concept LoRAs were trained on another U-Net and are added unchanged, so "
        f"their effect here is not guaranteed: generate images to check, or train on this MODEL.{encoder}"
    )
