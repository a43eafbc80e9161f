"""The judge: a zero-shot classifier of images, from any CLIP folder in the transformers format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..files.hashes import file_hash
from ..files.plain_json import read_object
from ..files.shown import one_line, shown

PROMPT = "a photo of the {}"
CONFIG, WEIGHTS, PREPARATION = "config.json", "model.safetensors", "preprocessor_config.json"
BATCH = 64


@dataclass(frozen=True)
class Judge:
    """A transformers ``CLIPModel``, its tokenizer, and how its images are prepared.

    mean, spread: per channel; side: of the square input, in pixels; fingerprint: SHA-256 of the weights file;
    shrink: the interpolation that makes larger images smaller.
    """

    model: torch.nn.Module
    tokens: Any
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    side: int
    fingerprint: str
    shrink: str = "bilinear"

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu") -> Judge:
        """Read a CLIP folder (config.json, model.safetensors, a tokenizer, preprocessor_config.json).

        Nothing is downloaded. Raises ValueError if a file is missing or the model is not a CLIP.
        """
        folder = Path(folder)
        _check(folder)
        from transformers import CLIPModel, CLIPTokenizer

        mean, spread, shrink = _preparation(folder)
        try:
            model = CLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
            tokens = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # several libraries read the folder, each with its own errors
            raise ValueError(
                f"The judge in {shown(folder.name)} cannot be read ({one_line(str(error))}): "
                "copy its files again."
            ) from error
        return Judge(
            model.train(False).requires_grad_(False).to(device),
            tokens,
            mean,
            spread,
            model.config.vision_config.image_size,
            file_hash(folder / WEIGHTS),
            shrink,
        )

    @torch.no_grad()
    def image_features(self, images: Tensor) -> Tensor:
        """Unit features ``[n, p]`` of images ``[n, H, W, 3]`` in 0..1, each resized to a square."""
        return torch.cat([self._features(batch) for batch in images.split(BATCH)])

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Unit features ``[n, p]`` of texts."""
        ids = self.tokens(list(texts), padding=True, truncation=True, return_tensors="pt").input_ids
        return _unit(self.model.get_text_features(input_ids=ids.to(self.model.device))).cpu()

    def probabilities(self, images: Tensor, names: Sequence[str], prompt: str = PROMPT) -> Tensor:
        """How likely each image ``[n, H, W, 3]`` shows each name: softmax over the names, ``[n, names]``."""
        return self.choices(self.image_features(images), [prompt.format(name) for name in names])

    @torch.no_grad()
    def choices(self, features: Tensor, texts: Sequence[str]) -> Tensor:
        """How likely each text describes an image of features ``[n, p]``: softmax over the texts, ``[n,
        texts]``."""
        scale = self.model.logit_scale.exp().clamp(max=100).cpu()
        return (scale * features @ self.text_features(texts).T).softmax(-1)

    def _features(self, images: Tensor) -> Tensor:
        pixels = images.float().permute(0, 3, 1, 2).to(self.model.device)
        if pixels.shape[-2:] != (self.side, self.side):
            pixels = F.interpolate(pixels, (self.side, self.side), mode=self.shrink, antialias=True)
        mean, spread = (pixels.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.spread))
        return _unit(self.model.get_image_features(pixel_values=(pixels - mean) / spread)).cpu()


def _check(folder: Path) -> None:
    needed = (CONFIG, WEIGHTS, PREPARATION)
    missing = [name for name in needed if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        missing.append("tokenizer.json")
    if missing:
        raise ValueError(
            f"The CLIP folder {shown(folder.name)} lacks {', '.join(missing)}: put a Hugging Face CLIPModel "
            "folder there, with its tokenizer and preprocessor."
        )
    kind = read_object(folder / CONFIG).get("model_type")
    if kind != "clip":
        raise ValueError(
            f"The folder {shown(folder.name)} holds a model of type {shown(kind)}, which cannot be a judge: "
            "use one of type 'clip', with a text and an image encoder."
        )


def _preparation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Mean and spread per channel, and the interpolation. ValueError if they are not in the folder."""
    settings = read_object(folder / PREPARATION)
    found = [settings.get(name) for name in ("image_mean", "image_std")]
    for values in found:
        numbers = isinstance(values, list) and all(type(each) in (int, float) for each in values)
        if not numbers or len(values) != 3:
            raise ValueError(
                f"{PREPARATION} in {shown(folder.name)} has no image_mean and image_std of three numbers: "
                "copy it again."
            )
    return tuple(found[0]), tuple(found[1]), "bicubic" if settings.get("resample") == 3 else "bilinear"


def _unit(features: Any) -> Tensor:
    """transformers 5 wraps projected features in an output object; transformers 4 returns the tensor."""
    return F.normalize(features if isinstance(features, Tensor) else features.pooler_output, dim=-1)
