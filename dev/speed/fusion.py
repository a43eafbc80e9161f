"""Stage 3 (equation 7) for 1 to 1,000 concept LoRAs of rank 1 on every projection, with random factors.

The pack does every list completely. Its matrices C are those of ten concepts; the time of summing one for
each LoRA is counted, although training has summed and cached them. The straight way is measured on one
concept and one layer of each width, and multiplied, as in closed_form.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from dev.fullsize.families import FAMILIES, Family
from dev.speed.closed_form import PlainCost
from dev.speed.concepts import PROMPTS, TOKENS, people
from dev.speed.plain.fusion import fused_weight
from dev.speed.timing import (
    bytes_copied_per_second,
    compared,
    products_per_second,
    rounded,
    taken,
)
from mace_core.erasure.fuse import FuseSettings, fuse
from mace_core.refinement.moments import second_moment
from mace_core.training.factors import LowRank
from mace_core.training.lora import ConceptLoRA

COUNTS = {"sd15": (1, 10, 100, 1000), "sdxl": (1, 10, 100)}  # LoRAs of 1,000 concepts on SDXL need 35 GiB
ROUNDS = 3
DISTINCT = 10  # matrices C


def run() -> dict:
    torch.manual_seed(0)
    return {"rows": [row for name, counts in COUNTS.items() for row in _family(FAMILIES[name], counts)]}


def _family(family: Family, counts: Sequence[int]) -> list[dict]:
    plain = PlainCost(family.widths, family.d, _fused)
    prompts = [torch.randn(PROMPTS, TOKENS, family.d) for _ in range(DISTINCT)]
    summed = [taken(lambda e=e: second_moment([e])) for e in prompts]
    C, one_C = [each.result for each in summed], median(each.seconds for each in summed)
    T1, rows = torch.eye(family.d, dtype=torch.float64), []
    for count in counts:
        loras, pack, straight = random_loras(family, count, C), [], []
        for _ in range(ROUNDS):
            straight.append(plain.seconds(people(count)))
            one = taken(lambda loras=loras: fuse(T1, loras, None, FuseSettings()))
            pack.append((count * one_C + one.seconds, one.mib))
        rows.append(
            compared(
                f"{count:,} LoRA{'s' * (count > 1)}, {family.name}, d = {family.d}",
                [seconds for seconds, _ in pack],
                straight,
                _limit(family, count),
                d=family.d,
                concepts=count,
                mib=rounded(max(mib for _, mib in pack)),
            )
        )
    return rows


def random_loras(family: Family, count: int, C: Sequence[Tensor]) -> list[ConceptLoRA]:
    """LoRAs of rank 1 on every projection of a U-Net."""
    names = {f"{o}.{number}": o for o, layers in family.widths.items() for number in range(layers)}
    return [
        ConceptLoRA(
            concept,
            LowRank({name: (torch.randn(o, 1), torch.randn(1, family.d)) for name, o in names.items()}),
            C[number % len(C)],
            "random",
        )
        for number, concept in enumerate(people(count))
    ]


def _limit(family: Family, count: int) -> float:
    """CPU seconds of half a symmetric product over all tokens for every C, one pass over it, one Cholesky
    factor, three d x d x d products for T*, and per row of a LoRA one product with C and one division by N,
    as fast as large matrices are multiplied in float64."""
    d, rows = family.d, count * sum(family.widths.values())
    operations = count * d**2 * TOKENS * PROMPTS + 6 * d**3 + d**3 / 3 + 4 * rows * d**2
    return operations / products_per_second("float64") + 8 * count * d**2 / bytes_copied_per_second()


def _fused(W: Tensor, pairs: Sequence[tuple[Tensor, Tensor]], ridge: float) -> Tensor:
    """One layer with one concept, whose prompts are those of `pairs`."""
    U, D = torch.randn(len(W), 1), torch.randn(1, W.shape[1])
    return fused_weight(W, W, [(U, D, [e for e, _ in pairs])], ridge=ridge)
