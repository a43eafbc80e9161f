"""safetensors files that are identical for identical content, and that detect any damage."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from torch import Tensor

from .atomic import written_whole
from .hashes import tensor_hash
from .plain_json import loads
from .shown import shown

_DESCRIPTION, _CHECKSUM = "mace", "mace_sha256"  # the two metadata entries
_LONGEST_HEADER = 100_000_000  # bytes, as for the safetensors library
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class DamagedFile(ValueError):
    """A file that does not hold what its checksums or its header say."""


class NoTensorFile(DamagedFile):
    """A file that is not a safetensors file."""


class TruncatedFile(DamagedFile):
    """A safetensors file whose end is missing."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: dtype (None if it is unknown here), shape, and where its bytes are."""

    dtype: torch.dtype | None
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a safetensors file says before its data: metadata, and name -> tensor."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, Stored]


def read_header(file: BinaryIO) -> Header:
    """The header of an open safetensors file, checked against the size of the file before more is read.

    Raises NoTensorFile, TruncatedFile, or DamagedFile for a header of another form.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if size < 9 or start[8:] != b"{":
        raise NoTensorFile("not a safetensors file")
    if 8 + length > size:
        raise TruncatedFile("the header is truncated")
    if length > _LONGEST_HEADER:
        raise DamagedFile("the header is too long")
    try:
        entries = loads(start[8:] + file.read(length - 1))
        metadata = entries.pop("__metadata__", {})
        plain = isinstance(metadata, dict) and all(isinstance(each, str) for each in metadata.values())
        tensors = {name: _stored(entry, 8 + length) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedFile("the header is damaged") from None
    end = 8 + length
    for tensor in sorted(tensors.values(), key=lambda each: (each.start, each.end)):
        if tensor.start != end or not plain:
            raise DamagedFile("the header is damaged")
        end = tensor.end
    if end > size:
        raise TruncatedFile("the data are truncated")
    if end < size or not plain:
        raise DamagedFile("there is more than the header says")
    return Header(metadata, tensors)


def _stored(entry: Mapping, data: int) -> Stored:
    """An entry of a header, whose data begin at the byte ``data``. ValueError if it is of another form."""
    dtype, shape = _DTYPES.get(entry["dtype"]), entry["shape"]
    start, end = entry["data_offsets"]
    if not isinstance(shape, list) or not all(
        type(each) is int and each >= 0 for each in (*shape, start, end)
    ):
        raise ValueError("not the shape and place of a tensor")
    if dtype is not None and math.prod(shape) * dtype.itemsize != end - start:
        raise ValueError("not the size of the tensor")
    return Stored(dtype, tuple(shape), data + start, data + end)


def read_tensor(file: BinaryIO, stored: Stored) -> Tensor:
    """The tensor ``[...]`` of an open file. Raises DamagedFile if its end is missing."""
    if stored.start == stored.end:
        return torch.empty(stored.shape, dtype=stored.dtype)
    data = bytearray(stored.end - stored.start)
    file.seek(stored.start)
    if file.readinto(data) != len(data):
        raise TruncatedFile("the data are truncated")
    return torch.frombuffer(data, dtype=stored.dtype).reshape(stored.shape)


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file. The library writes the metadata in random order; here it is sorted."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(ready)
    length = int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def save_checked(path: str | Path, tensors: Mapping[str, Tensor], description: Mapping) -> None:
    """Write ``tensors`` and a ``description`` (JSON) with one checksum over both, completely or not at
    all."""
    text = json.dumps(description, sort_keys=True)
    data = tensor_bytes(tensors, {_DESCRIPTION: text, _CHECKSUM: _checksum(tensors, text)})
    with written_whole(path) as unfinished:
        unfinished.write_bytes(data)


def load_checked(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """What ``save_checked`` wrote, bit for bit. Raises DamagedFile if the file holds anything else."""
    with suppress(ValueError, KeyError, TypeError), Path(path).open("rb") as file:
        header = read_header(file)
        text = header.metadata[_DESCRIPTION]
        tensors = {name: read_tensor(file, stored) for name, stored in header.tensors.items()}
        if _checksum(tensors, text) == header.metadata[_CHECKSUM] and isinstance(found := loads(text), dict):
            return tensors, found
    raise DamagedFile(
        f"The cache file {shown(Path(path).name)} is damaged, its checksum does not match: it is made again."
    )


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensor_hash(tensors[name], name).digest())
    return digest.hexdigest()
