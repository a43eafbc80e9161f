"""The judge: names what a picture shows, zero-shot, with any CLIP folder in transformers' layout.

The bundled one was trained on the miniature's world; a real CLIP folder judges real models with the same
code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

BUNDLED = Path(__file__).parent / "files/judge"
PROMPT = "a photo of the {}"


@dataclass(frozen=True)
class Judge:
    """A transformers `CLIPModel`, its tokenizer, and how it wants its pictures."""

    model: torch.nn.Module
    tokens: object
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    side: int
    fingerprint: str  # sha256 of the weights file

    @staticmethod
    def load(folder: Path = BUNDLED) -> Judge:
        """Read a CLIP folder (config.json, model.safetensors, vocab.json, merges.txt,
        preprocessor_config.json)."""
        from transformers import CLIPModel, CLIPTokenizer

        weights = Path(folder) / "model.safetensors"
        if not weights.is_file():
            raise ValueError(
                f"No CLIP model in {folder}: put a folder with config.json and model.safetensors there."
            )
        model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
        wants = json.loads((Path(folder) / "preprocessor_config.json").read_text())
        return Judge(
            model,
            CLIPTokenizer.from_pretrained(folder),
            tuple(wants["image_mean"]),
            tuple(wants["image_std"]),
            model.config.vision_config.image_size,
            hashlib.sha256(weights.read_bytes()).hexdigest(),
        )

    @torch.no_grad()
    def image_features(self, images: Tensor) -> Tensor:
        """Unit features [B, p] of images [B, H, W, 3] in 0..1."""
        pixels = images.float().permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (self.side, self.side):
            pixels = F.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=True)
        mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.spread))
        return _unit(self.model.get_image_features(pixel_values=(pixels - mean) / spread))

    @torch.no_grad()
    def probabilities(self, images: Tensor, names: Sequence[str], prompt: str = PROMPT) -> Tensor:
        """How likely each image [B, H, W, 3] shows each name: softmax over the names, [B, len(names)]."""
        texts = [prompt.format(name) for name in names]
        ids = self.tokens(texts, padding=True, truncation=True, return_tensors="pt").input_ids
        texts = _unit(self.model.get_text_features(input_ids=ids))
        scale = self.model.logit_scale.exp().clamp(max=100)
        batches = images.split(64)
        return torch.cat([(scale * self.image_features(batch) @ texts.T).softmax(-1) for batch in batches])


def _unit(features) -> Tensor:
    """transformers 5 wraps projected features in an output object; 4 returns the tensor."""
    return F.normalize(features if isinstance(features, Tensor) else features.pooler_output, dim=-1)
