"""Content hashes (SHA-256): of tensors, of named values, of files. Nothing else in the pack hashes
content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

_BLOCK = 2**20  # bytes of a file read at once


def header(tensor: Tensor, name: str = "") -> str:
    """Name, dtype and shape: what the bytes of a tensor do not tell."""
    return " ".join(part for part in (name, str(tensor.dtype), str(list(tensor.shape))) if part)


def raw(tensor: Tensor) -> memoryview:
    """The bytes of a tensor of any dtype, on any device."""
    tensor = tensor.detach().to("cpu").contiguous()
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def tensor_hash(tensor: Tensor, name: str = "") -> hashlib._Hash:
    """The hash of a tensor: it changes with the name, the dtype, the shape and any number."""
    digest = hashlib.sha256(f"{header(tensor, name)} ".encode())
    digest.update(raw(tensor))
    return digest


def text_hash(text: str) -> str:
    """The hash of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: str | Path) -> str:
    """The hash of a file, in hexadecimal digits; it is read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def values_hash(**values: object) -> str:
    """The hash of named values (strings, numbers, lists, mappings) and tensors, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(values.items()):
        if isinstance(value, Tensor):
            digest.update(tensor_hash(value, name).digest())
        else:
            digest.update(json.dumps([name, value], sort_keys=True).encode())
    return digest.hexdigest()
