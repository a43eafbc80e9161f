"""A random erasure for a MODEL of full size, with a gate, and prompts that its gate opens for or not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dev.host.in_process import InProcess

TOKENS, WORD, END = 77, 5, 6  # the end token of a short prompt; what follows it is padding
LOW, HIGH = 0.5, 0.7  # cosines: random tokens are far below


@dataclass(frozen=True, eq=False)
class Prompts:
    """Contexts ``[1, 77, d]``: about a concept of the erasure, about something else, and empty."""

    about: Tensor
    other: Tensor
    empty: Tensor


def random_prompts(d: int) -> Prompts:
    return Prompts(*(_prompt(d) for _ in range(3)))


def _prompt(d: int) -> Tensor:
    """Random tokens; the padding of one prompt is nearly the same everywhere, as in CLIP."""
    e = torch.randn(TOKENS, d)
    e[END + 1 :] = e[END + 1] + 0.1 * torch.randn(TOKENS - END - 1, d)
    return e[None]


def random_erasure(comfy: InProcess, layers: dict[str, tuple[int, int]], count: int, prompts: Prompts):
    """An erasure of `count` concepts, each with a LoRA of rank 1 on every to_k, as the fast trainer makes."""
    d = next(iter(layers.values()))[1]
    erasures, gates = comfy.module("mace_core.erasure.erasure"), comfy.module("mace_core.erasure.gate")
    factors = comfy.module("mace_core.training.factors")
    Concept = comfy.module("mace_core.concepts.concepts").Concept
    scale = 0.1 / d**0.5
    rows = 3 * count  # a phrase by itself, and twice beside another object
    prototypes = torch.randn(3, rows, d)
    prototypes[:, 0] = prompts.about[0, [WORD, END, END + 1]]
    gate = gates.Gate(
        torch.zeros(3, d),
        torch.eye(d),
        torch.nn.functional.normalize(prototypes, dim=-1),
        torch.tensor([LOW, HIGH])[None, :, None].expand(4, 2, rows).clone(),
    )
    low_rank = factors.LowRank(
        {
            name: (scale * torch.randn(o, count), scale * torch.randn(count, d))
            for name, (o, _) in layers.items()
            if name in factors.keys_of(layers)
        }
    )
    T = torch.eye(d) + scale * torch.randn(d, d)
    concepts = tuple(Concept(f"concept {number}", "a thing") for number in range(count))
    return erasures.Erasure(T, low_rank, concepts, text_encoder="random", gate=gate)
