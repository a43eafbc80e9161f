"""The training data of one concept: images with masks, and the prompts that name it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..concepts.concepts import Concept, contains
from ..concepts.kinds import KINDS
from ..concepts.prompts import plain_prompt, prompt_pairs
from ..encoder.alignment import locate
from ..encoder.text_encoder import EncodedPrompts, TextEncoder, check_fits, encode_once

EVERY = 4  # one everyday name in so many tells how far words of other concepts are changed


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """latents ``[n, channels, h, w]`` as the U-Net reads them; masks ``[n, H, W]`` in 0..1, 1 on the concept.

    Raises ValueError: no images, a different number or aspect ratio of images and masks, a mask out of range,
    only empty masks, NaN latents.
    """

    latents: Tensor
    masks: Tensor

    def __post_init__(self) -> None:
        if self.latents.ndim != 4 or len(self.latents) == 0:
            raise ValueError(
                "The training set has no images: "
                "generate at least one with the node 'Draw Concepts', or use your own."
            )
        if self.masks.ndim != 3 or len(self.masks) != len(self.latents):
            raise ValueError(
                f"The training set has {len(self.latents)} images and masks of shape "
                f"{list(self.masks.shape)}: give one mask [height, width] per image."
            )
        if not (self.latents.numel() and self.masks.numel()):
            raise ValueError("The training set has images or masks without pixels: use others.")
        (h, w), (H, W) = self.latents.shape[-2:], self.masks.shape[-2:]
        if abs(h * W - w * H) > max(W, H):  # one latent cell of rounding
            raise ValueError(
                f"The masks are {W} x {H} and the latents {w} x {h}, which have different aspect ratios: "
                "use masks of the same size as the images."
            )
        if not torch.isfinite(self.latents).all():
            raise ValueError("The latents contain NaN or infinity: run the VAE in float32.")
        if not (self.masks.min() >= 0 and self.masks.max() <= 1):
            raise ValueError("The masks have values outside 0 to 1: use 1 on the concept and 0 elsewhere.")
        if self.masks.max() == 0:
            raise ValueError(
                "All masks are empty, so nothing would be trained: mask the concept with the "
                "node 'Mask Concepts', or choose its method 'whole image'."
            )


@dataclass(frozen=True, eq=False)
class TrainingPrompts:
    """The target prompts of a concept: ``encoded``, and the positions of the phrase in each of them.

    others: words of a few everyday names that are not the concept's, ``[n, d]``.
    """

    encoded: EncodedPrompts
    phrases: tuple[slice, ...]
    others: Tensor
    fingerprint: str


def training_prompts(encoder: TextEncoder, concept: Concept) -> TrainingPrompts:
    """Encode the target prompts of a concept and its synonyms, before the U-Net needs the memory.

    Raises ValueError if a phrase is too long for the text encoder, or not found in its prompts.
    """
    pairs = {pair.target: pair for pair in prompt_pairs(concept)}
    check_fits(encoder, {prompt: pair.phrase for prompt, pair in pairs.items()})
    encoded = encode_once(encoder, pairs)
    phrases = tuple(
        locate(encoder, encoded[prompt].tokens[0], prompt, pair.phrase, pair.before)
        for prompt, pair in pairs.items()
    )
    tokens = torch.cat([e.tokens for e in encoded.values()])
    embeddings = torch.cat([e.embeddings for e in encoded.values()])
    words = other_words(encoder, concept)
    others = torch.stack(words) if words else embeddings[0, :0]
    return TrainingPrompts(EncodedPrompts(tokens, embeddings), phrases, others, encoder.fingerprint)


def other_words(encoder: TextEncoder, concept: Concept) -> list[Tensor]:
    """The last words of everyday names in their plainest prompt, each ``[d]``, without the concept's own
    names.

    They are the same for every concept, so a LoRA depends on no other concept.
    """
    pairs = [
        plain_prompt(Concept(name, "something"))
        for name in list(KINDS["object"].everyday)[::EVERY]
        if not any(contains(name, phrase) or contains(phrase, name) for phrase in concept.phrases)
    ]
    encoded = encode_once(encoder, [pair.target for pair in pairs]) if pairs else {}
    rows = []
    for pair in pairs:
        each = encoded[pair.target]
        place = locate(encoder, each.tokens[0], pair.target, pair.phrase, pair.before)
        rows.append(each.embeddings[0, place.stop - 1])
    return rows
