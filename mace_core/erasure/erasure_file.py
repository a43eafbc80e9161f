"""Saving and loading an erasure: one safetensors file, checked byte for byte."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..concepts.concepts import Concept
from ..files.atomic import written_whole
from ..files.tensor_file import tensor_bytes
from .erasure import Erasure

FORMAT_VERSION = 1  # docs/erasure_format.md
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
_DESCRIPTION, _CHECKSUM = "mace_erasure", "mace_erasure_sha256"  # the two metadata entries


def save_erasure(erasure: Erasure, path: str | Path, precision: str = "float32") -> None:
    """Write ``erasure`` to ``path``: the old file or the new one, never half of one. The folder must exist.

    ``precision`` of PRECISIONS is that of U and D; T, on which every layer depends, stays float32.
    Raises ValueError when float16 cannot hold a factor.
    """
    tensors = {"T": erasure.T, **_stored_factors(erasure, PRECISIONS[precision])}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    description = json.dumps(
        {
            "format_version": FORMAT_VERSION,
            "pack_version": erasure.version,
            "concepts": [asdict(concept) for concept in erasure.concepts],
            "settings": erasure.settings,
            "text_encoder": erasure.text_encoder,
            "base": erasure.base,
            "sha256": {name: _sha256_of(tensor) for name, tensor in tensors.items()},
        },
        sort_keys=True,
    )
    metadata = {_DESCRIPTION: description, _CHECKSUM: _sha256(description.encode())}
    with written_whole(path) as unfinished:
        unfinished.write_bytes(tensor_bytes(tensors, metadata))


def load_erasure(path: str | Path) -> Erasure:
    """Read an erasure; its tensors are bit-identical to those saved, factors kept as float16 become float32.

    Raises ValueError: no such file, not a safetensors file, a truncated or damaged file, a safetensors file
    of another kind, a file of a newer version of this pack.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no erasure file '{path.name}': save one first or choose another name.")
    data = path.read_bytes()
    description = _description(data, path.name)
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path.name) from error
    if {name: _sha256_of(tensor) for name, tensor in tensors.items()} != description["sha256"]:
        raise _damaged(path.name)
    concepts = tuple(Concept(**{**c, "synonyms": tuple(c["synonyms"])}) for c in description["concepts"])
    U, D = (
        {name[2:]: tensors[name].float() for name in sorted(tensors) if name.startswith(letter)}
        for letter in ("U.", "D.")
    )
    return Erasure(
        tensors["T"],
        U,
        D,
        concepts,
        description["settings"],
        description["text_encoder"],
        description["base"],
        description["pack_version"],
    )


def _stored_factors(erasure: Erasure, dtype: torch.dtype) -> dict[str, Tensor]:
    factors = {}
    for name, U in erasure.U.items():
        D = erasure.D[name]
        if dtype != torch.float32:
            U, D = balanced(U, D)
        factors |= {f"U.{name}": U.to(dtype), f"D.{name}": D.to(dtype)}
        if not (factors[f"U.{name}"].isfinite().all() and factors[f"D.{name}"].isfinite().all()):
            raise ValueError(
                f"The factors of the layer '{name}' are too large for float16: save them as float32."
            )
    return factors


def balanced(U: Tensor, D: Tensor) -> tuple[Tensor, Tensor]:
    """The same product U D ``[o, q] [q, d]`` from factors of about equal size.

    A column of U is multiplied and its row of D divided by the same power of two, which rounds nothing:
    fusion makes rows of D so small that float16 alone would lose them.
    """
    ratio = (D.norm(dim=1) / U.norm(dim=0)).log2() / 2
    scale = torch.where(ratio.isfinite(), ratio.round(), 0.0).exp2()
    return U * scale, D / scale[:, None]


def _description(data: bytes, name: str) -> dict:
    """The description of the erasure in the header of a safetensors file: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 9 or data[8:9] != b"{":
        raise ValueError(f"'{name}' is not a safetensors file: choose one written by 'Save Erasure'.")
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
        raise ValueError(f"'{name}' is truncated, its end is missing: copy or download it again.")
    if _DESCRIPTION not in metadata:
        raise ValueError(
            f"'{name}' is a safetensors file of another kind, without the description of an "
            "erasure: choose a file written by the node 'Save Erasure'."
        )
    if _sha256(metadata[_DESCRIPTION].encode()) != metadata.get(_CHECKSUM):
        raise _damaged(name)
    description = json.loads(metadata[_DESCRIPTION])
    if description["format_version"] > FORMAT_VERSION:
        raise ValueError(
            f"'{name}' has format version {description['format_version']} and this pack reads "
            f"up to {FORMAT_VERSION}: update the pack."
        )
    return description


def _damaged(name: str) -> ValueError:
    return ValueError(f"'{name}' is damaged, its checksums do not match: copy or download it again.")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha256_of(tensor: Tensor) -> str:
    """Of the dtype, the shape and the bytes, so that none of them can change unseen."""
    return _sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode() + tensor.numpy().tobytes())
