"""Cross-attention heat of an image: how strongly each position attends to the words of a prompt."""

from collections.abc import Sequence

import torch

from ...mace_core.encoder.alignment import locate
from ...mace_core.files.shown import shown
from ...mace_core.training.attention_maps import attention_heat, word_heat, words_of
from ...mace_core.training.factors import LowRank
from .attention import attention_model
from .checks import require_finite
from .memory import told_in_a_sentence
from .progress import check_interrupted
from .sampling import NAN_DRAWN

# A model lays out objects in the middle of the schedule; measured by `python -m dev.mass.constants`.
TIMESTEPS = (300, 500, 700)


def concept_heat(
    model, encoder, conditioning, prompt, latents: torch.Tensor, timesteps: Sequence[int] = TIMESTEPS
) -> torch.Tensor:
    """Heat `[n, h, w]` of a concept's phrase, for `latents` `[n, 4, h, w]`.

    A few passes over the finished latents at the noise levels `timesteps`, so the heat does not depend on how
    the images were generated. Raises ValueError if the heat contains NaN or memory runs out.
    """
    encoded = encoder.encode([prompt.target])
    positions = locate(encoder, encoded.tokens[0], prompt.target, prompt.phrase, prompt.before)
    size = tuple(latents.shape[-2:])
    noise = torch.randn(latents[:1].shape, generator=torch.Generator().manual_seed(0))
    opened = attention_model(model, conditioning, latents, training=False)
    with told_in_a_sentence(f"to locate {shown(prompt.phrase)}"), opened as unet:
        heats = []
        for t in timesteps:
            rows = []
            for image in unet.scaled(latents.clone()).split(1):
                check_interrupted()
                x_t = unet.noise(image, t, noise)
                maps = unet.attention(x_t, t, encoded.embeddings.clone(), LowRank())
                rows.append(attention_heat(maps, positions, size))
            heats.append(torch.cat(rows))
    heat = torch.stack(heats).mean(0)
    require_finite(heat, NAN_DRAWN)
    return heat


def word_maps(model, encoder, prompt: str, latents: torch.Tensor) -> tuple[tuple[str, ...], torch.Tensor]:
    """The words of `prompt` and their heat `[words, h, w]` in the first image of `latents` `[n, 4, h, w]`.

    Raises ValueError if memory runs out.
    """
    encoded = encoder.encode([prompt])
    words = words_of(encoder, prompt, encoded.tokens[0])
    latents = latents[:1]
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    opened = attention_model(model, encoder.conditioning(prompt), latents, training=False)
    with told_in_a_sentence("to map the attention of each word"), opened as unet:
        x_0, heats = unet.scaled(latents.clone()), []
        for t in TIMESTEPS:
            check_interrupted()
            maps = unet.attention(unet.noise(x_0, t, noise), t, encoded.embeddings.clone(), LowRank())
            heats.append(word_heat(maps, [place for _, place in words], tuple(latents.shape[-2:])))
    return tuple(word for word, _ in words), torch.cat(heats).mean(0)
