"""Erasures on disk: one safetensors file, with a checksum for every tensor (docs/erasure_format.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..concepts.concepts import Concept
from ..files.atomic import written_whole
from ..files.hashes import tensor_hash, text_hash
from ..files.records import Record
from ..files.shown import shown
from ..files.tensor_file import tensor_bytes
from ..training.factors import LowRank
from .erasure import Erasure, ErasureSettings

FORMAT_VERSION = 1
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
_DESCRIPTION, _CHECKSUM = "mace_erasure", "mace_erasure_sha256"  # the two metadata entries


@dataclass(frozen=True)
class Description(Record):
    """Everything in the file but the tensors. sha256: tensor name -> its checksum."""

    format_version: int
    pack_version: str
    concepts: tuple[Concept, ...]
    settings: ErasureSettings
    text_encoder: str
    base: str
    sha256: Mapping[str, str]


def save_erasure(erasure: Erasure, path: str | Path, precision: str = "float32") -> None:
    """Write ``erasure`` to ``path``, completely or not at all. The folder must exist.

    ``precision``: a key of PRECISIONS, for U and D; T, which every layer depends on, is always float32.
    Raises ValueError if float16 cannot hold a factor.
    """
    tensors = {"T": erasure.T, **_stored_factors(erasure.low_rank, PRECISIONS[precision])}
    description = Description(
        FORMAT_VERSION,
        erasure.version,
        erasure.concepts,
        erasure.settings,
        erasure.text_encoder,
        erasure.base,
        {name: tensor_hash(tensor).hexdigest() for name, tensor in tensors.items()},
    )
    text = json.dumps(description.to_json() | {"settings": erasure.settings.to_json()}, sort_keys=True)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(tensor_bytes(tensors, {_DESCRIPTION: text, _CHECKSUM: text_hash(text)}))


def load_erasure(path: str | Path) -> Erasure:
    """Read an erasure. Tensors are bit-identical to those saved; factors stored as float16 become float32.

    Raises ValueError: no such file, not a safetensors file, a truncated or damaged file, a safetensors file
    of another kind, a file of a newer version of this pack.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"There is no erasure file {shown(path.name)}: save one first or choose another name."
        )
    data = path.read_bytes()
    description = _description(data, path.name)
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path.name) from error
    if {name: tensor_hash(tensor).hexdigest() for name, tensor in tensors.items()} != description.sha256:
        raise _damaged(path.name)
    if "T" not in tensors:
        raise ValueError(f"{shown(path.name)} has no tensor 'T', which an erasure needs: make it again.")
    return Erasure(
        tensors["T"],
        LowRank.from_state(tensors).to(torch.float32),
        description.concepts,
        description.settings,
        description.text_encoder,
        description.base,
        description.pack_version,
    )


def _stored_factors(low_rank: LowRank, dtype: torch.dtype) -> dict[str, Tensor]:
    if dtype != torch.float32:
        low_rank = LowRank({layer: balanced(*factors) for layer, factors in low_rank.items()}).to(dtype)
    for layer, factors in low_rank.items():
        if not all(factor.isfinite().all() for factor in factors):
            raise ValueError(
                f"The factors of the layer {shown(layer)} are too large for float16: save them as float32."
            )
    return low_rank.state()


def balanced(U: Tensor, D: Tensor) -> tuple[Tensor, Tensor]:
    """The same product U D, U ``[o, q]`` and D ``[q, d]``, from factors of about equal size.

    Each column of U is multiplied and its row of D divided by the same power of two, which rounds nothing:
    fusion makes rows of D so small that float16 would lose them.
    """
    ratio = (D.norm(dim=1) / U.norm(dim=0)).log2() / 2
    scale = torch.where(ratio.isfinite(), ratio.round(), 0.0).exp2()
    return U * scale, D / scale[:, None]


def _description(data: bytes, name: str) -> Description:
    """The description in the header of a safetensors file: 8 bytes of length, then JSON."""
    metadata = _metadata(data, name)
    if _DESCRIPTION not in metadata:
        raise ValueError(
            f"{shown(name)} is a safetensors file of another kind, without the description of an "
            "erasure: choose a file written by the node 'Save Erasure'."
        )
    if text_hash(metadata[_DESCRIPTION]) != metadata.get(_CHECKSUM):
        raise _damaged(name)
    description = json.loads(metadata[_DESCRIPTION])
    version = description.get("format_version") if isinstance(description, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(
            f"{shown(name)} has format version {version} and this pack reads up to {FORMAT_VERSION}: "
            "update the pack."
        )
    return Description.from_json(description, f"The description in {shown(name)}")


def _metadata(data: bytes, name: str) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 9 or data[8:9] != b"{":
        raise ValueError(f"{shown(name)} is not a safetensors file: choose one written by 'Save Erasure'.")
    try:
        header = json.loads(data[8 : 8 + length])
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        complete = len(data) >= 8 + length + max(ends, default=0)
        metadata = header.get("__metadata__", {})
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        complete = len(data) >= 8 + length
        if complete:
            raise _damaged(name) from None
    if not complete:
        raise ValueError(f"{shown(name)} is truncated, its end is missing: copy or download it again.")
    return metadata


def _damaged(name: str) -> ValueError:
    return ValueError(f"{shown(name)} is damaged, its checksums do not match: copy or download it again.")
