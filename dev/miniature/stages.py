"""The steps of `make mini`, in order. Each resumes after an interruption and is skipped if it is finished."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from . import contexts, judge_tokenizer
from .assemble import write_checkpoint, write_judge
from .judge import (
    PROJECTION,
    build_judge,
    image_features,
    judge_loss,
    pair_subjects,
    prompts,
    taken_apart,
    targets,
    toned,
)
from .judge import groups as judge_groups
from .logs import keep_logs
from .loop import Schedule, train
from .pool import TRAINING, as_tensor, encode_pool, load_pictures, load_scenes, make_pool
from .text import MiniText, fact_names, facts, text_loss
from .tokens import taught_tokens
from .unet import alphas_cumprod, build_unet, how_often, mixed_contexts, unet_loss
from .vae import MiniVAE, vae_loss
from .world import World, load_world

WORK = Path(__file__).resolve().parents[2] / ".cache/mini"
POOL = WORK / "pool"
VAE_SCHEDULE = Schedule(steps=2600, learning_rate=2e-3, ema=0.998)
JUDGE_SCHEDULE = Schedule(steps=11000, learning_rate=1.5e-3, weight_decay=0.05, ema=0.998)
TEXT_SCHEDULE = Schedule(steps=900, learning_rate=2e-3, ema=0.99)
UNET_SCHEDULE = Schedule(steps=20000, learning_rate=1e-3, warmup=300, ema=0.998)


def pools() -> None:
    """Compose the pool of training images."""
    make_pool(POOL, TRAINING, seed=1)


def vae() -> MiniVAE:
    """Train the autoencoder, then write the latents and reconstructions of the pool."""
    torch.manual_seed(0)
    pictures = load_pictures(POOL)
    model = MiniVAE().to(memory_format=torch.channels_last)

    def loss_at(_step: int, generator: torch.Generator) -> tuple:
        chosen = torch.randint(len(pictures), (16,), generator=generator).numpy()
        batch = as_tensor(pictures[chosen]).contiguous(memory_format=torch.channels_last)
        return vae_loss(model, batch, torch.randn(16, 4, 8, 8, generator=generator))

    trained = train(model, loss_at, VAE_SCHEDULE, WORK / "vae.pt")
    encode_pool(POOL, trained)
    return trained


def judge() -> tuple[nn.Module, object]:
    """Train the judge and make its tokenizer; half of each batch is composed images, half reconstructions."""
    torch.manual_seed(1)
    world = load_world()
    tokens = judge_tokenizer.write_tokenizer(WORK / "judge", judged_words(world))
    model, texts = build_judge(tokens), prompts(tokens, world)
    clean, decoded = load_pictures(POOL), np.load(POOL / "decoded.npy")
    scenes = load_scenes(POOL)
    wanted, pairs = targets(scenes, world), pair_subjects(scenes, world)

    def loss_at(_step: int, generator: torch.Generator) -> tuple:
        whole = torch.randint(len(clean), (32,), generator=generator).numpy()
        blurred = torch.randint(len(decoded), (32,), generator=generator).numpy()
        chosen = np.concatenate([whole, blurred])
        pictures = as_tensor(np.concatenate([clean[whole], decoded[blurred]]))
        told = {g: w[chosen] for g, w in wanted.items()}
        pictures, told = taken_apart(pictures, told, pairs[chosen], generator)
        pictures, told = toned(pictures, told, generator)
        pictures = pictures + 0.03 * torch.randn(pictures.shape, generator=generator)
        return judge_loss(model, pictures, told, texts)

    return train(model, loss_at, JUDGE_SCHEDULE, WORK / "judge.pt"), tokens


def judged_words(world: World) -> list[str]:
    return [name for group in judge_groups(world).values() for name in group]


@torch.no_grad()
def judged_pictures(model: nn.Module) -> Tensor:
    """The judge's unit-length features of every image of the pool [n, 128], cached."""
    path = WORK / "features.pt"
    if not path.exists():
        parts = [image_features(model, as_tensor(part)) for part in _batches(load_pictures(POOL), 256)]
        torch.save(torch.cat(parts), path)
    return torch.load(path, weights_only=True)


def _batches(values: np.ndarray, size: int) -> list[np.ndarray]:
    return [values[i : i + size] for i in range(0, len(values), size)]


@cache
def _captions() -> tuple:
    world = load_world()
    captions = contexts.pool_captions(POOL, world, seed=3)
    return captions, *contexts.caption_rows(captions, world)


def text() -> MiniText:
    """Train the text encoder, then write the embeddings of every caption."""
    torch.manual_seed(2)
    world = load_world()
    captions, rows, concept = _captions()
    names = {name: i for i, name in enumerate(fact_names(world))}
    model = MiniText(len(taught_tokens(world)), len(names), PROJECTION)

    @cache
    def material() -> tuple[Tensor, Tensor]:  # takes minutes, and a trained text encoder does not need it
        said = zip(load_scenes(POOL), captions, strict=True)
        return torch.stack([facts(s, c, names) for s, c in said]), judged_pictures(judge()[0])

    def loss_at(_step: int, generator: torch.Generator) -> tuple:
        wanted, pictures = material()
        chosen = torch.randint(len(rows), (128,), generator=generator)
        return text_loss(model, rows[chosen], wanted[chosen], pictures[chosen], generator)

    trained = train(model, loss_at, TEXT_SCHEDULE, WORK / "text.pt")
    contexts.write_contexts(POOL, trained, rows, concept)
    return trained


def unet() -> nn.Module:
    """Train the U-Net."""
    torch.manual_seed(3)
    encoder = text()
    empty, concept = contexts.empty_context(encoder), _captions()[2]
    latents = torch.from_numpy(np.load(POOL / "latents.npy"))
    full, neutral = (torch.from_numpy(np.load(POOL / f"{name}.npy")) for name in ("full", "neutral"))
    model, schedule = build_unet(), alphas_cumprod()
    often = how_often(load_scenes(POOL), _captions()[0], load_world())

    def loss_at(_step: int, generator: torch.Generator) -> tuple:
        chosen = torch.multinomial(often, 64, replacement=True, generator=generator)
        told = full[chosen].float(), neutral[chosen].float(), concept[chosen]
        return unet_loss(model, latents[chosen], mixed_contexts(*told, empty, generator), schedule, generator)

    return train(model, loss_at, UNET_SCHEDULE, WORK / "unet.pt")


def ship() -> None:
    """Write mini/files from the trained parts, and their logs."""
    write_judge(judge()[0], WORK / "judge")
    write_checkpoint(vae(), text(), unet())
    keep_logs(WORK)
