"""The erasure file: bit-identical after a round trip, and a one-sentence error if the file is invalid."""

import json
import os

import pytest
import safetensors.torch
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure import erasure_file
from mace_core.erasure.erasure import Erasure, ErasureSettings, edited_weight
from mace_core.erasure.erasure_file import FORMAT_VERSION, load_erasure, save_erasure
from mace_core.files import atomic
from mace_core.refinement.refine import RefineSettings
from mace_core.training.factors import LowRank
from tests.core.toy import low_rank
from tests.rounding import product

SETTINGS = ErasureSettings(RefineSettings(ridge=10.0))


def erasure(layers=("diffusion_model.a.attn2.to_k", "diffusion_model.a.attn2.to_v")):
    g = torch.Generator().manual_seed(0)
    U = {name: torch.randn(6, 2, generator=g) for name in layers}
    D = {name: torch.randn(2, 8, generator=g) for name in layers}
    concepts = (Concept("ship", "sea", synonyms=("boat",)), Concept("Van Gogh", "art", "style"))
    T = torch.randn(8, 8, generator=g)
    return Erasure(T, low_rank(U, D), concepts, SETTINGS, "text", "base")


@pytest.fixture
def path(tmp_path):
    save_erasure(erasure(), tmp_path / "ship.safetensors")
    return tmp_path / "ship.safetensors"


@pytest.mark.parametrize("layers", [("b.to_k", "a.to_v"), ()], ids=["fused", "closed form"])
def test_round_trip_is_bit_identical(tmp_path, layers):
    saved = erasure(layers)
    save_erasure(saved, tmp_path / "x.safetensors")
    loaded = load_erasure(tmp_path / "x.safetensors")
    assert torch.equal(loaded.T, saved.T) and loaded.low_rank.keys() == saved.low_rank.keys()
    for name in saved.low_rank:
        assert all(map(torch.equal, loaded.low_rank[name], saved.low_rank[name]))
    for name in ("concepts", "settings", "text_encoder", "base", "version"):
        assert getattr(loaded, name) == getattr(saved, name)


def test_the_file_opens_with_stock_safetensors(path):
    with safetensors.safe_open(path, "pt") as file:
        assert set(file.keys()) >= {"T", "U.diffusion_model.a.attn2.to_k"}
        assert json.loads(file.metadata()["mace_erasure"])["concepts"][0]["target"] == "ship"


def test_saving_replaces_and_leaves_no_other_file(path):
    save_erasure(erasure(()), path)
    assert not load_erasure(path).is_fused
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def full(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_erasure(erasure(()), path)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def refused(path, data, message):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        load_erasure(path)
    text = str(error.value)
    assert path.name in text and str(path.parent) not in text and text.endswith(".") and "\n" not in text


def test_truncated_files(path):
    data = path.read_bytes()
    for length in (12, 100, len(data) // 2, len(data) - 1):
        refused(path, data[:length], "truncated")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"PK\x03\x04" + bytes(100),
        b"a picture of a ship" * 20,
        bytes(4096),
        b"\x80\x04\x95" + bytes(64),
    ],
)
def test_other_files(path, data):
    refused(path, data, "not a safetensors file")


def test_another_kind_of_safetensors_file(path):
    tensors = {"lora.weight": torch.zeros(3)}
    for metadata in (None, {"format": "pt"}):
        refused(path, safetensors.torch.save(tensors, metadata), "another kind")


def test_every_flipped_byte_is_noticed(path):
    """Any change in header, description, shapes or data is detected, and only ValueError is raised."""
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x15
        path.write_bytes(bytes(damaged))
        with pytest.raises(ValueError, match=r"'ship\.safetensors'"):
            load_erasure(path)


def test_changed_tensors_under_the_old_description(path):
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(path)
    changed = {**tensors, "T": tensors["T"] + 1}
    missing = {name: tensor for name, tensor in tensors.items() if not name.startswith("U.")}
    for other in (changed, missing):
        refused(path, safetensors.torch.save(other, metadata), "damaged")


def test_a_newer_format(path, monkeypatch):
    monkeypatch.setattr(erasure_file, "WITHOUT_GATE", FORMAT_VERSION + 1)
    save_erasure(erasure(), path)
    monkeypatch.undo()
    refused(path, path.read_bytes(), f"format version {FORMAT_VERSION + 1}")


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="no erasure file 'x.safetensors'"):
        load_erasure(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "T, factors",
    [
        (torch.zeros(8, 7), {}),
        (torch.zeros(8, 8), {"k": (torch.zeros(6, 2), torch.zeros(3, 8))}),
        (torch.zeros(8, 8), {"k": (torch.zeros(6, 2), torch.zeros(2, 7))}),
    ],
)
def test_tensors_that_do_not_fit(T, factors):
    with pytest.raises(ValueError, match="do not fit together"):
        Erasure(T, LowRank(factors), ())


def test_a_factor_without_the_other():
    with pytest.raises(ValueError, match="one of its two factors"):
        LowRank.from_state({"T": torch.zeros(2, 2), "U.k": torch.zeros(6, 2)})


def test_an_erasure_with_nan():
    with pytest.raises(ValueError, match="NaN or infinity"):
        Erasure(torch.full((8, 8), float("nan")), LowRank(), ())


SD1 = {
    f"diffusion_model.blocks.{i}.attn2.{p}": (o, 768)  # shapes in SD1.5: 16 modules, 32 projections
    for i, o in enumerate([320] * 5 + [640] * 5 + [1280] * 6)
    for p in ("to_k", "to_v")
}


@pytest.fixture(scope="module")
def hundred():
    """A hundred rank-1 concepts on SD1.5; the rows of D are as small as with a strong prior."""
    g = torch.Generator().manual_seed(0)
    U = {name: torch.randn(o, 100, generator=g) for name, (o, _) in SD1.items()}
    D = {name: torch.randn(100, d, generator=g) * 1e-8 for name, (_, d) in SD1.items()}
    concepts = tuple(Concept(f"person {i}", "a person", "person", (f"name {i}",)) for i in range(100))
    T = torch.eye(768) + torch.randn(768, 768, generator=g) / 768
    return Erasure(T, low_rank(U, D), concepts, SETTINGS, "text", "base")


def test_a_hundred_concepts_on_sd15_take_16_megabytes_in_float16(hundred, tmp_path):
    save_erasure(hundred, tmp_path / "half.safetensors", "float16")
    assert (tmp_path / "half.safetensors").stat().st_size <= 16e6
    loaded = load_erasure(tmp_path / "half.safetensors")
    assert torch.equal(loaded.T, hundred.T) and loaded.concepts == hundred.concepts
    for name in list(SD1)[::15]:
        exact, stored = (product(each.low_rank.to(torch.float64)[name]) for each in (hundred, loaded))
        assert {factor.dtype for factor in loaded.low_rank[name]} == {torch.float32}
        assert (stored - exact).norm() < 1e-3 * exact.norm()


def test_the_pages_tell_the_sizes_that_are_written(hundred, tmp_path, repository):
    sizes = {}
    for precision in ("float16", "float32"):
        save_erasure(hundred, tmp_path / f"{precision}.safetensors", precision)
        sizes[precision] = (tmp_path / f"{precision}.safetensors").stat().st_size / 1e6
    widths = [640] * 20 + [1280] * 120  # the 140 projections of SDXL, d = 2048
    sdxl = (4 * 2048**2 + 2 * 100 * sum(o + 2048 for o in widths)) / 1e6
    page = " ".join((repository / "docs" / "erasure_format.md").read_text().split())
    told = "are {float16:.1f} MB (float16) or {float32:.1f} MB (float32) on SD1.5".format(**sizes)
    assert f"{told}, and {sdxl:.0f} MB (float16) on SDXL" in page
    help_page = (repository / "web" / "docs" / "MACE_SaveErasure.md").read_text()
    assert f"(100 concepts on SD1.5: {sizes['float16']:.0f} MB)" in help_page


def test_float16_edits_weights_as_float32_does_to_float16s_precision(tmp_path):
    saved = erasure()
    save_erasure(saved, tmp_path / "half.safetensors", "float16")
    layer, W = "diffusion_model.a.attn2.to_k", torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    exact, stored = (
        edited_weight(W, layer, each) for each in (saved, load_erasure(tmp_path / "half.safetensors"))
    )
    assert 0 < (stored - exact).norm() < 1e-3 * exact.norm()


def test_a_factor_that_is_zero_survives_float16(tmp_path):
    name = "diffusion_model.a.attn2.to_k"
    untrained = Erasure(torch.eye(8), LowRank({name: (torch.zeros(6, 1), torch.ones(1, 8))}), ())
    save_erasure(untrained, tmp_path / "x.safetensors", "float16")
    loaded = load_erasure(tmp_path / "x.safetensors")
    assert not loaded.low_rank[name][0].any() and torch.equal(loaded.low_rank[name][1], torch.ones(1, 8))


def test_factors_too_large_for_float16(tmp_path):
    name = "diffusion_model.a.attn2.to_k"
    large = Erasure(torch.eye(8), LowRank({name: (torch.full((6, 1), 1e6), torch.full((1, 8), 1e6))}), ())
    with pytest.raises(ValueError, match="too large for float16"):
        save_erasure(large, tmp_path / "x.safetensors", "float16")
    assert os.listdir(tmp_path) == []
