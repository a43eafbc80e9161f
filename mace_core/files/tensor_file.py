"""safetensors files that are identical for identical content, and that detect any damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from .atomic import written_whole
from .hashes import tensor_hash
from .shown import shown

_DESCRIPTION, _CHECKSUM = "mace", "mace_sha256"  # the two metadata entries


class DamagedFile(ValueError):
    """A file whose checksum does not match its content."""


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
    data = Path(path).read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        tensors = safetensors.torch.load(data)
        text = metadata[_DESCRIPTION]
        if _checksum(tensors, text) == metadata[_CHECKSUM]:
            return tensors, json.loads(text)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DamagedFile(
        f"The cache file {shown(Path(path).name)} is damaged, its checksum does not match: it is made again."
    )


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensor_hash(tensors[name], name).digest())
    return digest.hexdigest()
