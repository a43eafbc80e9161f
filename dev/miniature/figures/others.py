"""Figures that need no images: file sizes, and how far diffusers' latents are from ours."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import torch

from dev.host.fetch import host_folder
from mini.checkpoint import CHECKPOINT, FILES

from ..contexts import empty_context
from ..draw import CFG, STEPS, denoise
from ..to_diffusers import write_pipeline
from .artist import Artist
from .host import PROMPT

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = (
    ".safetensors",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".npy",
    ".npz",
    ".zip",
    ".pt",
    ".bin",
    ".gz",
)


def megabytes(path: Path) -> float:
    """Size of a file, or of all files below a folder, in units of 2^20 bytes."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 2**20


def binaries() -> list[Path]:
    """The binary files that git tracks, or that are new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    paths = [REPOSITORY / line for line in listed.splitlines() if line.lower().endswith(BINARY)]
    return [path for path in paths if path.is_file()]


def sizes() -> dict[str, float]:
    return {
        "model": megabytes(FILES / CHECKPOINT),
        "judge": megabytes(FILES / "judge"),
        "binaries": sum(megabytes(path) for path in binaries()),
    }


def latents_diffusers(artist: Artist) -> float:
    """The largest difference between diffusers' latents and ours, after 20 steps with one prompt."""
    from diffusers import StableDiffusionPipeline

    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        write_pipeline(Path(folder), host_folder() / "comfy/sd1_tokenizer")
        pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    told = {"num_inference_steps": STEPS, "guidance_scale": CFG, "height": 64, "width": 64}
    theirs = pipeline(PROMPT, latents=noise, output_type="latent", **told).images
    ours = denoise(artist.unet, noise, artist.contexts([PROMPT]), empty_context(artist.text))
    return (theirs - ours).abs().max().item()
