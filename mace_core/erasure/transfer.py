"""What is certain when an erasure meets a U-Net, and what is not."""

from __future__ import annotations

from .erasure import Erasure

NOT_CHECKED = "Whether the text encoder is the same was not checked: connect CLIP."


def transferred(erasure: Erasure, base: str, doubt: str) -> str:
    """In a sentence or two for the user: what of ``erasure`` holds on the model of fingerprint ``base``.

    W T is right for any U-Net, as T depends on the text encoder alone. U D was trained on one U-Net, and is
    added as it is to any other. doubt: a sentence on the text encoder; empty when it is known to be the same.
    """
    encoder = f" {doubt}" if doubt else ""
    if not erasure.U:
        return f"Closed form only: exact on every checkpoint with the same text encoder.{encoder}"
    if not erasure.base:
        return (
            "The closed-form part is exact here. On which checkpoint the concept LoRAs were trained is "
            f"not recorded, so what they erase here is not known: draw and see.{encoder}"
        )
    if erasure.base == base:
        return f"On the checkpoint the erasure was made on: all of it is exact.{encoder}"
    return (
        "Transferred to another checkpoint: the closed-form part is exact here too, as it depends on the "
        "text encoder alone. The concept LoRAs were trained on another U-Net and are added as they are: "
        "how well they erase here cannot be promised, so draw and see, or train them on this MODEL."
        f"{encoder}"
    )
