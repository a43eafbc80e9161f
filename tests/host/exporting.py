"""The bundled model with a complete erasure, and its exports; for tests of every program that loads one."""

import shutil
from pathlib import Path

import torch

from tests.host.calls import latents
from tests.host.graphs import CHECKPOINT


class Exporting:
    """model, clip, vae: from the stock loader. erasure: stage 1 for a ship, plus the factors of one LoRA."""

    def __init__(self, comfy):
        self.comfy = comfy
        self.model, self.clip, self.vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
        (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
        _, refined = comfy.call(
            "MACE_CrossAttnRefine",
            model=self.model,
            clip=self.clip,
            concepts=concepts,
            preserve_weight=1e-4,
            ridge=10.0,
        )
        self.layers = comfy.module("nodes.host.patch").cross_attention_layers(self.model)
        g = torch.Generator().manual_seed(0)
        U = {name: torch.randn(o, 1, generator=g) / 8 for name, (o, _) in self.layers.items()}
        D = {name: torch.randn(1, d, generator=g) / 16 for name, (_, d) in self.layers.items()}
        self.erasure = comfy.module("mace_core.erasure.erasure").Erasure(
            refined.T,
            comfy.module("mace_core.training.factors").LowRank({name: (U[name], D[name]) for name in U}),
            refined.concepts,
            text_encoder=refined.text_encoder,
            base=refined.base,
        )

    def erased(self, strength: float = 1.0, model=None):
        return self.comfy.call(
            "MACE_ApplyErasedModel",
            model=model or self.model,
            erasure=self.erasure,
            strength=strength,
            mode="linear",
        )[0]

    def export(self, form: str, rank: int = 0, model=None, precision: str = "float32") -> tuple[Path, str]:
        """The path of the exported file or folder, and the report."""
        (report,) = self.comfy.call(
            "MACE_ExportErasure",
            model=model or self.model,
            erasure=self.erasure,
            format=form,
            rank=rank,
            name="ship",
            precision=precision,
        )
        return self.comfy.base / report.splitlines()[0], report

    def with_stock_lora(self, file: Path, strength: float = 1.0, model=None):
        """Copies the file to models/loras and returns the MODEL from the stock LoraLoader."""
        folder = self.comfy.base / "models" / "loras"
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder / file.name)
        return self.comfy.call(
            "LoraLoader",
            model=model or self.model,
            clip=self.clip,
            lora_name=file.name,
            strength_model=strength,
            strength_clip=strength,
        )[0]

    def latents(self, model, clip=None) -> torch.Tensor:
        return latents(self.comfy, model, clip or self.clip, steps=6, count=2)
