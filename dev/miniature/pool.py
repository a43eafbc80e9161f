"""The training pool on disk: composed images, what each shows and, once the VAE exists, their latents."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .compose import SIDE, Scene, draw, random_scene
from .vae import MiniVAE
from .world import load_world

TRAINING = 48_000
DECODED = 12_000  # images whose reconstruction the judge also sees


def make_pool(folder: Path, count: int, seed: int) -> None:
    """Compose `count` images into folder/pictures.npy [count, 64, 64, 3] uint8 and folder/scenes.json."""
    if (folder / "scenes.json").exists():
        return
    from .art import draw_all, fetch  # needs the packages of `make mini`; reading a pool does not

    world = load_world()
    artwork = folder.parent
    fetch(artwork)
    glyphs = draw_all(world, artwork)
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    scenes = [random_scene(world, rng) for _ in range(count)]
    pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, (count, SIDE, SIDE, 3))
    for i, scene in enumerate(scenes):
        pictures[i] = draw(scene, world, glyphs, rng)[0]
    pictures.flush()
    (folder / "scenes.json").write_text(json.dumps([asdict(s) for s in scenes]))


def load_scenes(folder: Path) -> list[Scene]:
    return [
        Scene(**{**s, "things": tuple(s["things"])}) for s in json.loads((folder / "scenes.json").read_text())
    ]


def load_pictures(folder: Path) -> np.ndarray:
    return np.load(folder / "pictures.npy", mmap_mode="r")


def as_tensor(pictures: np.ndarray) -> Tensor:
    """[n, h, w, 3] uint8 -> [n, 3, h, w] float in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div_(255)


@torch.no_grad()
def encode_pool(folder: Path, vae: MiniVAE, batch: int = 64) -> None:
    """Write folder/latents.npy [n, 4, 8, 8] float32 and, for the judge, the first reconstructions."""
    if (folder / "latents.npy").exists():
        return
    pictures = load_pictures(folder)
    latents = np.zeros((len(pictures), 4, SIDE // 8, SIDE // 8), np.float32)
    decoded = np.zeros((min(DECODED, len(pictures)), *pictures.shape[1:]), np.uint8)
    for start in range(0, len(pictures), batch):
        z = vae.encode(as_tensor(pictures[start : start + batch]))
        latents[start : start + batch] = z.numpy()
        if start < len(decoded):
            drawn = vae.decode(z[: len(decoded) - start]).clamp(0, 1).permute(0, 2, 3, 1)
            decoded[start : start + batch] = drawn.mul(255).round().byte().numpy()
    np.save(folder / "decoded.npy", decoded)
    np.save(folder / "latents.npy", latents)
