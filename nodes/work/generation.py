"""The training images of one concept: generated, decoded, and where the model attends to the concept."""

from collections.abc import Callable, Mapping

from ...mace_core.concepts.concepts import Concept
from ...mace_core.concepts.prompts import plain_prompt
from ..host.heat_maps import concept_heat
from ..host.images import as_bytes
from ..host.sampling import decode, draw_latents
from .training_set import ConceptImages


def generated(
    model, vae, encoder, concept: Concept, settings: Mapping, on_step: Callable[[int], None]
) -> ConceptImages:
    """settings: `images`, `steps`, `cfg`, `seed` and `size` [width, height]."""
    prompt = plain_prompt(concept)
    positive, negative = encoder.conditioning(prompt.target), encoder.conditioning("")
    latents = draw_latents(
        model,
        positive,
        negative,
        settings["images"],
        settings["size"],
        settings["steps"],
        settings["cfg"],
        settings["seed"],
        on_step,
    )
    heat = concept_heat(model, encoder, positive, prompt, latents)
    pictures = as_bytes(decode(vae, latents))
    return ConceptImages(concept.target, latents, heat=heat, pictures=pictures, kind=concept.kind)
