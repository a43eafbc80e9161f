"""Where a concept's tokens attend: the share of their cross-attention inside the object, layer by layer.

In composed images the position of each thing is known exactly. Here, each concept is beside another object,
once on either side. The images are noised to the middle of the schedule and passed to the U-Net with a
caption that names both things. For each layer, the probabilities of the concept's tokens are compared with
the concept's mask: by chance, the share inside the mask equals the mask's share of the area.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..captions import Pieces
from ..contexts import caption_rows
from ..unet import alphas_cumprod
from ..world import Thing
from .artist import BATCH, Artist, a
from .composed import Composer

MIDDLE = 500


@torch.no_grad()
def measure(artist: Artist, composer: Composer) -> dict[str, float]:
    """Per layer: the share of attention inside the mask, relative to chance; mean over concepts."""
    cases = []
    for thing in artist.nameable:
        other = composer.another(thing)
        cases += [((thing, other), 0), ((other, thing), 1)]
    pictures, masks = composer.paint([composer.scene(*(t.name for t in pair)) for pair, _ in cases])
    own = torch.stack([torch.from_numpy(mask[place]) for mask, (_, place) in zip(masks, cases, strict=True)])
    rows, concept = caption_rows([_caption(*case) for case in cases], artist.world)
    found: dict[str, list[Tensor]] = {}
    for start in range(0, len(cases), BATCH):
        part = slice(start, start + BATCH)
        latents, contexts = artist.vae.encode(pictures[part]), artist.text(rows[part])
        for layer, times in shares(artist.unet, latents, contexts, concept[part], own[part], start).items():
            found.setdefault(layer, []).append(times)
    return {layer: torch.cat(parts).mean().item() for layer, parts in found.items()}


def _caption(pair: tuple[Thing, Thing], place: int) -> Pieces:
    """The pieces of "a photo of A and B"; the thing at `place` is the concept."""
    pieces: Pieces = [("a photo of ", False)]
    for number, thing in enumerate(pair):
        article = "" if thing.kind == "person" else a(thing.name).removesuffix(thing.name)
        joint = " and " if number else ""
        pieces += [(joint + article, False), (thing.name, number == place)]
    return pieces


@contextmanager
def recorded(unet: nn.Module):
    """While open, each call stores the probabilities of every attn2, [n, heads, places, tokens].

    They are in the dict that it yields, by the name of the module.
    """
    maps: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(_recorder(maps, name), with_kwargs=True)
        for name, module in unet.named_modules()
        if name.endswith("attn2")
    ]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _recorder(maps: dict[str, Tensor], name: str):
    def hook(module: nn.Module, inputs: tuple, named: dict, _output: Tensor) -> None:
        context = named["context"] if "context" in named else inputs[1]
        q, k = (
            part.unflatten(-1, (module.heads, module.dim_head)).transpose(1, 2)
            for part in (module.to_q(inputs[0]), module.to_k(context))
        )
        maps[name] = (q @ k.transpose(-1, -2) * module.dim_head**-0.5).softmax(-1)

    return hook


@torch.no_grad()
def shares(
    unet: nn.Module, latents: Tensor, contexts: Tensor, concept: Tensor, masks: Tensor, seed: int
) -> dict[str, Tensor]:
    """Per layer, the share of attention inside the mask, divided by the mask's share of the area: [n].

    latents [n, 4, 8, 8]; contexts [n, 77, d]; concept [n, 77] bool: the tokens that name the thing that
    `masks` [n, 64, 64] in 0..1 cover.
    """
    alpha = alphas_cumprod()[MIDDLE]
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    with recorded(unet) as maps:
        unet(noisy, torch.full((len(latents),), MIDDLE), context=contexts)
    return {layer: times_chance(probabilities, concept, masks) for layer, probabilities in maps.items()}


def times_chance(probabilities: Tensor, concept: Tensor, masks: Tensor) -> Tensor:
    seen = (probabilities * concept[:, None, None, :]).sum((1, 3))  # [n, places]
    side = round(seen.shape[1] ** 0.5)
    inside = F.adaptive_avg_pool2d(masks[:, None], side).flatten(1)
    return (seen * inside).sum(1) / seen.sum(1) / inside.mean(1)
