"""Attacks that learn, inside the host. Each returns the MODEL and CONDITIONING to generate images with."""

from typing import Any

from ...mace_core.attacks.relearn import Budget, learn_embedding, retrain_lora
from ...mace_core.concepts.prompts import plain_prompt
from ...mace_core.encoder.alignment import locate
from .attention import attention_model
from .memory import may_be_tried_with_less, told_in_a_sentence


def with_learned_embedding(
    model, encoder, concept, latents, budget: Budget, on_step
) -> tuple[Any, list, list[float]]:
    """The model, the concept's CONDITIONING with learned vectors in place of its words, loss per step."""
    pair = plain_prompt(concept)
    tokens = encoder.encode([pair.target]).tokens[0]
    places = locate(encoder, tokens, pair.target, pair.phrase, pair.before)
    conditioning = encoder.conditioning(pair.target)
    [[context, settings], *_] = conditioning
    learned, losses = _learned(
        model,
        conditioning,
        latents,
        budget,
        lambda unet: learn_embedding(unet, unet.scaled(latents), context, places, budget, on_step),
    )
    return model, [[learned.to(context), settings]], losses


def with_retrained_lora(
    model, encoder, concept, latents, budget: Budget, on_step
) -> tuple[Any, list, list[float]]:
    """A clone of the model with a LoRA on top of its patches, the concept's CONDITIONING, loss per step."""
    conditioning = encoder.conditioning(plain_prompt(concept).target)
    lora, losses = _learned(
        model,
        conditioning,
        latents,
        budget,
        lambda unet: retrain_lora(unet, unet.scaled(latents), conditioning[0][0], budget, on_step),
    )
    clone = model.clone()
    clone.add_patches({f"{layer}.weight": (U @ D,) for layer, (U, D) in lora.items()})
    return clone, conditioning, losses


def _learned(model, conditioning, latents, budget: Budget, learn) -> Any:
    """The result of `learn` on the U-Net. If memory runs out, a second attempt recomputes activations.

    Raises ValueError if memory runs out again.
    """
    try:
        with attention_model(model, conditioning * budget.batch, latents) as unet:
            return learn(unet)
    except Exception as error:
        if not may_be_tried_with_less(error):
            raise
    with told_in_a_sentence("to run an attack that learns"):
        with attention_model(model, conditioning * budget.batch, latents, low_memory=True) as unet:
            return learn(unet)
