"""What each word of a prompt attends to in a finished picture, inside the host."""

import torch

from ...mace_core.training.word_heat import word_heat, words_of
from .attention_maps import TIMESTEPS
from .folders import check_interrupted
from .memory import told_in_a_sentence
from .network import attention_model


def word_maps(model, encoder, prompt: str, latents: torch.Tensor) -> tuple[tuple[str, ...], torch.Tensor]:
    """The words and their heat [words, h, w] in the first picture of `latents`."""
    encoded = encoder.encode([prompt])
    words = words_of(encoder, prompt, encoded.tokens[0])
    latents = latents[:1]
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    opened = attention_model(model, encoder.conditioning(prompt), latents, training=False)
    with told_in_a_sentence("to see what each word attends to"), opened as unet:
        x_0, heats = unet.scaled(latents.clone()), []
        for t in TIMESTEPS:
            check_interrupted()
            maps = unet.attention(unet.noise(x_0, t, noise), t, encoded.embeddings.clone(), {}, {})
            heats.append(word_heat(maps, [place for _, place in words], tuple(latents.shape[-2:])))
    return tuple(word for word, _ in words), torch.cat(heats).mean(0)
