"""Exports as files: a stock LoRA, a file of full differences, or a PEFT adapter folder.

Layers have two names here. ``layer`` is the host's, ``diffusion_model.input_blocks...attn2.to_k``; ``module``
is that of diffusers, ``down_blocks...attn2.to_k``, which every other program uses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ..files.atomic import written_whole
from ..files.records import Record
from ..files.shown import shown
from .deltas import DOWN, UP, LayerDelta, full_delta, low_rank_delta, of_one_rank
from .erasure import Erasure
from .erasure_file import PRECISIONS

# kohya's name for what diffusers calls add_embedding; diffusers reads both
KOHYA = {"add_embedding.linear_1": "label_emb_0_0"}
LORA, FULL, PEFT = FORMATS = ("LoRA", "full difference", "PEFT adapter")


@dataclass(frozen=True)
class ExportSettings(Record):
    """format: one of FORMATS; rank: of the approximation of W (T - I), >= 0, not used by full differences;
    precision: a key of PRECISIONS. Raises ValueError for any other value."""

    format: str = LORA
    rank: int = 64
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.format not in FORMATS or self.precision not in PRECISIONS:
            raise ValueError(
                f"There is no export format {shown(self.format)} in {shown(self.precision)}: choose "
                f"one of {', '.join(FORMATS)} in {' or '.join(PRECISIONS)}."
            )
        if self.rank < 0:
            raise ValueError(f"The rank is {self.rank}, but must be at least 0: raise it.")


def export_erasure(
    erasure: Erasure,
    weights: Iterable[tuple[str, str, Tensor]],
    settings: ExportSettings,
    path: str | Path,
    on_layer: Callable[[str], None] = lambda module: None,
) -> str:
    """Write ``path``, a folder for PEFT and otherwise a file. Returns a few lines that say how exact it is.

    weights: (layer, module, W ``[o, d]``) of every layer that the erasure edits. ``on_layer(module)`` is
    called after each and can raise to cancel; then nothing is written. Raises ValueError if there is nothing
    to write (rank 0 after stage 1 alone), and as ``edited_weight`` does.
    """
    if settings.format != FULL and settings.rank == 0 and not erasure.is_fused:
        raise ValueError(
            "The rank is 0 and an erasure of stage 1 alone has no low-rank part, so there is nothing "
            "to export: raise the rank."
        )
    deltas = {}
    for layer, module, W in weights:
        deltas[module] = _delta(W, layer, erasure, settings)
        on_layer(module)
    if settings.format != FULL:
        deltas = of_one_rank(deltas)
    report = _report(deltas, settings)
    with written_whole(path) as unfinished:
        if settings.format == PEFT:
            _save_peft(deltas, unfinished)
            (unfinished / "README.md").write_text(_card(erasure, report), encoding="utf-8")
        else:
            tensors = {
                f"lora_unet_{KOHYA.get(module, module.replace('.', '_'))}.{end}": tensor
                for module, delta in deltas.items()
                for end, tensor in delta.tensors.items()
            }
            safetensors.torch.save_file(tensors, unfinished, _metadata(erasure, settings, report))
    return report


def _delta(W: Tensor, layer: str, erasure: Erasure, settings: ExportSettings) -> LayerDelta:
    dtype = PRECISIONS[settings.precision]
    if settings.format == FULL:
        return full_delta(W, layer, erasure, dtype)
    return low_rank_delta(W, layer, erasure, settings.rank, dtype)


def _save_peft(deltas: dict[str, LayerDelta], folder: Path) -> None:
    """By peft itself, on a network that has the U-Net's names and shapes but no weights."""
    from peft import LoraConfig, get_peft_model

    factors = {module: (delta.tensors[UP], delta.tensors[DOWN]) for module, delta in deltas.items()}
    network = torch.nn.Module()
    for module, (up, down) in factors.items():
        _place(network, module, torch.nn.Linear(down.shape[1], len(up), bias=False, device="meta"))
    rank = len(down)
    # peft shortens a list of names to unique endings, which would match attn1 in a real U-Net
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=r".*\.attn2\.to_[kv]|add_embedding\.linear_1")
    with torch.inference_mode(False):
        adapted = get_peft_model(network, config)
        for module, (up, down) in factors.items():
            adapter = adapted.base_model.model.get_submodule(module)
            adapter.lora_A["default"].weight = torch.nn.Parameter(down.clone(), requires_grad=False)
            adapter.lora_B["default"].weight = torch.nn.Parameter(up.clone(), requires_grad=False)
        adapted.save_pretrained(str(folder), safe_serialization=True)


def _place(network: torch.nn.Module, module: str, linear: torch.nn.Linear) -> None:
    *path, last = module.split(".")
    for name in path:
        if not hasattr(network, name):
            network.add_module(name, torch.nn.Module())
        network = getattr(network, name)
    network.add_module(last, linear)


def _report(deltas: dict[str, LayerDelta], settings: ExportSettings) -> str:
    change, error, closed_form, lost = (
        sum(getattr(delta, name) for delta in deltas.values())
        for name in ("change", "error", "closed_form", "lost")
    )
    exactness = f"relative error of the whole edit {(error / change) ** 0.5 if change else 0.0:.1e}."
    if settings.format == FULL:
        return f"Full differences in {len(deltas)} layers: {exactness}"
    kept = {module: _kept(delta.closed_form, delta.lost) for module, delta in deltas.items()}
    worst = min(kept, key=kept.get)
    rank = len(deltas[worst].tensors[DOWN])
    return (
        f"Rank {rank} in {len(deltas)} layers: {exactness}\n"
        f"Energy kept of the closed-form part: {_kept(closed_form, lost):.3%} in all, "
        f"{kept[worst]:.3%} in the worst layer, {worst}."
    )


def _kept(energy: float, lost: float) -> float:
    return 1 - lost / energy if energy else 1.0


def _card(erasure: Erasure, report: str) -> str:
    targets = ", ".join(concept.target for concept in erasure.concepts)
    return f"Erases {targets} (MACE Concept Erasure {erasure.version}).\n\n{report}\n"


def _metadata(erasure: Erasure, settings: ExportSettings, report: str) -> dict[str, str]:
    description = {
        "pack_version": erasure.version,
        "concepts": [concept.to_json() for concept in erasure.concepts],
        "text_encoder": erasure.text_encoder,
        **settings.to_json(),
        "report": report,
    }
    return {"format": "pt", "mace_export": json.dumps(description, sort_keys=True)}
