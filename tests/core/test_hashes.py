"""The content hash: it changes with the content, supports every dtype, and is stable across versions."""

import hashlib

import pytest
import torch

from mace_core.files.hashes import file_hash, raw, tensor_hash, text_hash, values_hash

BASE = torch.arange(6, dtype=torch.float32).view(2, 3)


@pytest.mark.parametrize(
    "other",
    [BASE.view(3, 2), BASE.double(), BASE + 1e-6, BASE.clone().index_fill_(0, torch.tensor([0]), -0.0)],
    ids=["shape", "dtype", "a number", "the sign of zero"],
)
def test_every_difference_changes_it(other):
    assert tensor_hash(BASE, "x").digest() != tensor_hash(other, "x").digest()
    assert tensor_hash(BASE, "x").digest() != tensor_hash(BASE, "y").digest()


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.bool, torch.int32, torch.float64]
)
def test_bytes_of_every_dtype(dtype):
    assert len(raw(BASE.to(dtype))) == 6 * torch.empty((), dtype=dtype).element_size()
    assert len(raw(torch.zeros((), dtype=dtype))) == torch.empty((), dtype=dtype).element_size()
    assert len(raw(torch.zeros(0, 3, dtype=dtype))) == 0


def test_views_count_by_their_content():
    assert tensor_hash(BASE.T.contiguous()).digest() == tensor_hash(BASE.T).digest()


def test_its_values_never_change():
    """Erasure files and caches written by earlier versions contain these values."""
    expected = hashlib.sha256(b"torch.float32 [2, 3] " + BASE.numpy().tobytes()).hexdigest()
    assert tensor_hash(BASE).hexdigest() == expected
    named = hashlib.sha256(b"x torch.float32 [2, 3] " + BASE.numpy().tobytes()).digest()
    assert values_hash(x=BASE) == hashlib.sha256(named).hexdigest()
    assert values_hash(b=[1, "a"], a=None) == hashlib.sha256(b'["a", null]["b", [1, "a"]]').hexdigest()
    assert text_hash("ship") == hashlib.sha256(b"ship").hexdigest()


def test_a_file_is_hashed_whole(tmp_path):
    data = bytes(range(256)) * 10_000  # spans several blocks
    (tmp_path / "x").write_bytes(data)
    assert file_hash(tmp_path / "x") == hashlib.sha256(data).hexdigest()
