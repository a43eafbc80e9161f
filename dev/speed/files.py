"""Sizes of erasure files, against a full difference of every projection and the whole U-Net, in float16."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from dev.fullsize.families import FAMILIES, Family
from dev.fullsize.measure import MIB
from dev.speed.timing import rounded, taken
from mace_core.concepts.concepts import Concept
from mace_core.erasure.erasure import Erasure
from mace_core.erasure.erasure_file import load_erasure, save_erasure
from mace_core.erasure.gate import Gate
from mace_core.training.factors import LowRank

COUNTS = {"sd15": (1, 10, 100, 1000), "sdxl": (1, 100)}
U_NET = {"sd15": 859_520_964, "sdxl": 2_567_463_684}  # parameters
PRECISION, BYTES = "float16", 2


def run() -> dict:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as folder:
        path = Path(folder) / "erasure.safetensors"
        return {
            "rows": [_row(name, count, path) for name, counts in COUNTS.items() for count in counts],
            "precision": PRECISION,
        }


def _row(name: str, count: int, path: Path) -> dict:
    family = FAMILIES[name]
    erasure = _erasure(family, count)
    saved = taken(lambda: save_erasure(erasure, path, PRECISION))
    loaded = taken(lambda: load_erasure(path))
    numbers = sum(
        min(U.shape[1], *U.shape[:1], family.d) * (len(U) + family.d) for U, _ in erasure.low_rank.values()
    )
    whole = [erasure.T, *erasure.gate.state().values()]
    least = BYTES * numbers + 4 * sum(tensor.numel() for tensor in whole)
    return {
        "case": f"{count:,} concept{'s' * (count > 1)}, {family.name}",
        "mib": rounded(path.stat().st_size / MIB),
        "limit_mib": rounded(least / MIB),
        "difference_mib": rounded(BYTES * family.d * sum(o * n for o, n in family.widths.items()) / MIB),
        "u_net_mib": rounded(BYTES * U_NET[name] / MIB),
        "save": rounded(saved.seconds),
        "load": rounded(loaded.seconds),
    }


def _erasure(family: Family, count: int) -> Erasure:
    """An erasure with a LoRA of rank 1 per concept on every to_k, and a gate with one phrase per concept."""
    d = family.d
    layers = {f"{o}.{number}.to_k": o for o, both in family.widths.items() for number in range(both // 2)}
    gate = Gate(torch.randn(3, d), torch.randn(d, d), torch.randn(3, count, d), torch.rand(4, 2, count))
    low_rank = LowRank({name: (torch.randn(o, count), torch.randn(count, d)) for name, o in layers.items()})
    concepts = tuple(Concept(f"concept {number}", "a thing") for number in range(count))
    return Erasure(torch.eye(d), low_rank, concepts, text_encoder="random", gate=gate)
