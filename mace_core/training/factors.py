"""Low-rank edits: Delta W = U D for some layers of a U-Net, as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..files.shown import shown

KEY = ".to_k"


def keys_of(layers: Iterable[str]) -> list[str]:
    """The key projections among the layers, one per cross-attention, in their order."""
    return [layer for layer in layers if layer.endswith(KEY)]


@dataclass(frozen=True, eq=False)
class LowRank(Mapping[str, tuple[Tensor, Tensor]]):
    """Layer -> (U, D), with Delta W = U D; a layer without factors has Delta W = 0.

    U is ``[o, r]`` and D ``[r, d]``, or ``[B, o, r]`` and ``[B, r, d]`` with a factor for each of B samples
    or concepts. Layers keep the order in which they were given.
    """

    factors: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    __eq__, __hash__ = object.__eq__, object.__hash__  # a Mapping would compare tensors

    def __getitem__(self, layer: str) -> tuple[Tensor, Tensor]:
        return self.factors[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.factors)

    def __len__(self) -> int:
        return len(self.factors)

    @property
    def tensors(self) -> list[Tensor]:
        """Every U, then every D."""
        return [factor for column in zip(*self.factors.values(), strict=True) for factor in column]

    def each(self, change: Callable[[Tensor], Tensor]) -> LowRank:
        """The same layers with every U and D changed."""
        return LowRank({layer: (change(U), change(D)) for layer, (U, D) in self.factors.items()})

    def to(self, *args: torch.dtype | torch.device | str | Tensor) -> LowRank:
        """Every U and D on another device or in another dtype, as ``Tensor.to`` takes them."""
        return self.each(lambda factor: factor.to(*args))

    def on_text(self, T: Tensor) -> LowRank:
        """U (D T) instead of U D, for T ``[d, d]`` float64: the edit of a U-Net that reads T e as one of a
        U-Net that reads e."""
        return LowRank({layer: (U, (D.double() @ T).to(D.dtype)) for layer, (U, D) in self.factors.items()})

    def scaled(self, scale: float) -> LowRank:
        """``scale`` times the edit."""
        return LowRank({layer: (U * scale, D) for layer, (U, D) in self.factors.items()})

    def state(self) -> dict[str, Tensor]:
        """Every factor under ``U.LAYER`` or ``D.LAYER``, as files hold them."""
        return {
            f"{letter}.{layer}": factor
            for layer, both in self.factors.items()
            for letter, factor in zip("UD", both, strict=True)
        }

    @staticmethod
    def from_state(tensors: Mapping[str, Tensor]) -> LowRank:
        """What ``state`` gave, in the order of the layers' names; other tensors are ignored.

        Raises ValueError for a U without a D or the other way round.
        """
        layers = sorted({name[2:] for name in tensors if name[:2] in ("U.", "D.")})
        for layer in layers:
            if not {f"U.{layer}", f"D.{layer}"} <= tensors.keys():
                raise ValueError(
                    f"The layer {shown(layer)} has only one of its two factors: make the file again."
                )
        return LowRank({layer: (tensors[f"U.{layer}"], tensors[f"D.{layer}"]) for layer in layers})


def cat(edits: Sequence[LowRank]) -> LowRank:
    """The sum of edits: their ranks added up, U side by side and D one below the other.

    Raises ValueError if the edits have different output widths at a layer.
    """
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for edit in edits:
        for layer, both in edit.items():
            parts.setdefault(layer, []).append(both)
    for layer, both in parts.items():
        if len({len(U) for U, _ in both}) > 1:
            raise ValueError(
                f"The concept LoRAs have different output widths at layer {shown(layer)}: "
                "fuse only LoRAs that were trained on the same kind of model."
            )
    return LowRank(
        {
            layer: (torch.cat([U for U, _ in both], dim=1), torch.cat([D for _, D in both]))
            for layer, both in parts.items()
        }
    )


def stack(edits: Sequence[LowRank]) -> LowRank:
    """Edits of the same layers and rank as one, with a leading dimension: U ``[B, o, r]``, D ``[B, r,
    d]``."""
    return LowRank(
        {
            layer: (
                torch.stack([edit[layer][0] for edit in edits]),
                torch.stack([edit[layer][1] for edit in edits]),
            )
            for layer in edits[0]
        }
    )
