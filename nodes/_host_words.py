"""What each word of a prompt attends to in a finished picture, inside the host."""

import torch

from ..mace_core.word_heat import word_heat, words_of
from ._host import check_interrupted
from ._host_attention import attention_model
from ._host_heat import TIMESTEPS
from ._host_memory import told_in_a_sentence


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
