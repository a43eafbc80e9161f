"""How strongly each place of drawn images attends to a concept's words."""

import torch

from ...mace_core.encoder.alignment import locate
from ...mace_core.training.masks import attention_heat
from .checks import require_finite
from .folders import check_interrupted
from .memory import told_in_a_sentence
from .network import attention_model
from .sampling import NAN_DRAWN

TIMESTEPS = (300, 500, 700)  # objects are laid out in the middle of the schedule


def concept_heat(model, encoder, conditioning, prompt, latents: torch.Tensor) -> torch.Tensor:
    """[n, h, w], from a few passes over the finished latents: it does not depend on how they were drawn."""
    encoded = encoder.encode([prompt.target])
    positions = locate(encoder, encoded.tokens[0], prompt.target, prompt.phrase, prompt.before)
    size = tuple(latents.shape[-2:])
    noise = torch.randn(latents[:1].shape, generator=torch.Generator().manual_seed(0))
    opened = attention_model(model, conditioning, latents, training=False)
    with told_in_a_sentence(f"to see where '{prompt.phrase}' is"), opened as unet:
        heats = []
        for t in TIMESTEPS:
            rows = []
            for image in unet.scaled(latents.clone()).split(1):
                check_interrupted()
                x_t = unet.noise(image, t, noise)
                maps = unet.attention(x_t, t, encoded.embeddings.clone(), {}, {})
                rows.append(attention_heat(maps, positions, size))
            heats.append(torch.cat(rows))
    heat = torch.stack(heats).mean(0)
    require_finite(heat, NAN_DRAWN)
    return heat
