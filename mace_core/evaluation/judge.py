"""The judge: names what a picture shows, zero-shot, with any CLIP folder in transformers' layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

PROMPT = "a photo of the {}"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
BATCH = 64


@dataclass(frozen=True)
class Judge:
    """A transformers `CLIPModel`, its tokenizer, and how it wants its pictures."""

    model: torch.nn.Module
    tokens: object
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    side: int
    fingerprint: str  # sha256 of the weights file
    shrink: str = "bilinear"  # how larger images are made smaller

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu") -> Judge:
        """Read a CLIP folder (config.json, model.safetensors, a tokenizer, preprocessor_config.json); nothing
        is downloaded. ValueError when something is missing or is no CLIP model."""
        folder = Path(folder)
        _check(folder)
        from transformers import CLIPModel, CLIPTokenizer

        model = CLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        wants = json.loads((folder / "preprocessor_config.json").read_text())
        digest = hashlib.sha256()
        with (folder / WEIGHTS).open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        return Judge(
            model.eval().requires_grad_(False).to(device),
            CLIPTokenizer.from_pretrained(folder, local_files_only=True),
            tuple(wants["image_mean"]),
            tuple(wants["image_std"]),
            model.config.vision_config.image_size,
            digest.hexdigest(),
            "bicubic" if wants.get("resample") == 3 else "bilinear",
        )

    @torch.no_grad()
    def image_features(self, images: Tensor) -> Tensor:
        """Unit features [B, p] of images [B, H, W, 3] in 0..1: the whole image, shrunk to a square."""
        return torch.cat([self._features(batch) for batch in images.split(BATCH)])

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Unit features [n, p]."""
        ids = self.tokens(list(texts), padding=True, truncation=True, return_tensors="pt").input_ids
        return _unit(self.model.get_text_features(input_ids=ids.to(self.model.device))).cpu()

    def probabilities(self, images: Tensor, names: Sequence[str], prompt: str = PROMPT) -> Tensor:
        """How likely each image [B, H, W, 3] shows each name: softmax over the names, [B, len(names)]."""
        return self.choices(self.image_features(images), [prompt.format(name) for name in names])

    @torch.no_grad()
    def choices(self, features: Tensor, texts: Sequence[str]) -> Tensor:
        """How likely each text says what an image shows: softmax over the texts, [B, len(texts)]."""
        scale = self.model.logit_scale.exp().clamp(max=100).cpu()
        return (scale * features @ self.text_features(texts).T).softmax(-1)

    def _features(self, images: Tensor) -> Tensor:
        pixels = images.float().permute(0, 3, 1, 2).to(self.model.device)
        if pixels.shape[-2:] != (self.side, self.side):
            pixels = F.interpolate(pixels, (self.side, self.side), mode=self.shrink, antialias=True)
        mean, spread = (pixels.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.spread))
        return _unit(self.model.get_image_features(pixel_values=(pixels - mean) / spread)).cpu()


def _check(folder: Path) -> None:
    needed = (CONFIG, WEIGHTS, "preprocessor_config.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        missing.append("tokenizer.json")
    if missing:
        raise ValueError(
            f"The CLIP folder '{folder.name}' lacks {', '.join(missing)}: put a folder as "
            "transformers saves a CLIPModel there, with its tokenizer and preprocessor."
        )
    kind = json.loads((folder / CONFIG).read_text()).get("model_type")
    if kind != "clip":
        raise ValueError(
            f"The folder '{folder.name}' holds a model of the type '{kind}', which is no judge: "
            "use one of the type 'clip', with a text and an image half."
        )


def _unit(features) -> Tensor:
    """transformers 5 wraps projected features in an output object; 4 returns the tensor."""
    return F.normalize(features if isinstance(features, Tensor) else features.pooler_output, dim=-1)
