"""What tensors a file must hold, checked in one place, before they are read where that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from .shown import shown


class Described(Protocol):
    """A tensor, or its entry in the header of a file."""

    dtype: torch.dtype | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Name of a tensor -> its possible dtypes and its number of dimensions. All must be there; a name that
    ends in ``*`` stands for any number of tensors whose names start so."""

    tensors: Mapping[str, tuple[tuple[torch.dtype, ...], int]]

    def check(self, found: Mapping[str, Described], what: str) -> None:
        """Raise ValueError, starting with ``what``, if a tensor is missing, unknown, or of another form."""
        if missing := [name for name in self.tensors if name[-1] != "*" and name not in found]:
            raise ValueError(f"{what} has no tensor {shown(missing[0])}, which it needs: make it again.")
        for name, tensor in found.items():
            known = next((key for key in self.tensors if _fits(key, name)), None)
            if known is None:
                raise ValueError(f"{what} has the unknown tensor {shown(name)}: make it again.")
            dtypes, dimensions = self.tensors[known]
            wanted = " or ".join(map(str, dtypes))
            if tensor.dtype not in dtypes or len(tensor.shape) != dimensions:
                raise ValueError(
                    f"The tensor {shown(name)} of {what} has the form {tensor.dtype} {list(tensor.shape)}, "
                    f"but must have {wanted} and {dimensions} dimensions: make it again."
                )


def _fits(key: str, name: str) -> bool:
    return name.startswith(key[:-1]) if key[-1] == "*" else name == key
