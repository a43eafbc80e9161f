"""Saving and loading an erasure: one safetensors file, checked byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from .concepts import Concept
from .erasure import Erasure

FORMAT_VERSION = 1
_DESCRIPTION, _CHECKSUM = "mace_erasure", "mace_erasure_sha256"  # the two metadata entries


def save_erasure(erasure: Erasure, path: str | Path) -> None:
    """Write ``erasure`` to a temporary file in the folder of ``path``, then rename it to ``path``.

    A crash leaves the old file or the new one, never half of one. The folder must exist.
    """
    tensors = {"T": erasure.T, **{f"U.{name}": u for name, u in erasure.U.items()},
               **{f"D.{name}": d for name, d in erasure.D.items()}}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    description = json.dumps({
        "format_version": FORMAT_VERSION,
        "pack_version": erasure.version,
        "concepts": [asdict(concept) for concept in erasure.concepts],
        "settings": erasure.settings,
        "text_encoder": erasure.text_encoder,
        "base": erasure.base,
        "sha256": {name: _sha256_of(tensor) for name, tensor in tensors.items()},
    }, sort_keys=True)
    metadata = {_DESCRIPTION: description, _CHECKSUM: _sha256(description.encode())}
    _write(safetensors.torch.save(tensors, metadata), Path(path))


def load_erasure(path: str | Path) -> Erasure:
    """Read an erasure; its tensors are bit-identical to those saved.

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
    U, D = ({name[2:]: tensors[name] for name in sorted(tensors) if name.startswith(letter)}
            for letter in ("U.", "D."))
    return Erasure(tensors["T"], U, D, concepts, description["settings"], description["text_encoder"],
                   description["base"], description["pack_version"])


def _description(data: bytes, name: str) -> dict:
    """The description of the erasure in the header of a safetensors file: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 9 or data[8:9] != b"{":
        raise ValueError(f"'{name}' is not a safetensors file: choose one written by 'Save Erasure'.")
    try:
        header = json.loads(data[8:8 + length])
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
        raise ValueError(f"'{name}' is a safetensors file of another kind, without the description of an "
                         "erasure: choose a file written by the node 'Save Erasure'.")
    if _sha256(metadata[_DESCRIPTION].encode()) != metadata.get(_CHECKSUM):
        raise _damaged(name)
    description = json.loads(metadata[_DESCRIPTION])
    if description["format_version"] > FORMAT_VERSION:
        raise ValueError(f"'{name}' has format version {description['format_version']} and this pack reads "
                         f"up to {FORMAT_VERSION}: update the pack.")
    return description


def _damaged(name: str) -> ValueError:
    return ValueError(f"'{name}' is damaged, its checksums do not match: copy or download it again.")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha256_of(tensor: Tensor) -> str:
    """Of the dtype, the shape and the bytes, so that none of them can change unseen."""
    return _sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode() + tensor.numpy().tobytes())


def _write(data: bytes, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
