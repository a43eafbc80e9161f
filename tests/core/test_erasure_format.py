"""Runs the reader printed in docs/erasure_format.md unchanged."""

import re

import pytest
import safetensors.torch
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure.calibrate import calibrated_gate, reference_of
from mace_core.erasure.erasure import Erasure, closed_form_erasure, edited_weight
from mace_core.erasure.erasure_file import (
    FORMAT_VERSION,
    PRECISIONS,
    WITHOUT_GATE,
    load_erasure,
    save_erasure,
)
from mace_core.erasure.gate import gate_values, replacements
from mace_core.erasure.harden import hardened, words_of
from mace_core.erasure.pooled import pooled_gate_values
from mace_core.refinement.moments import concept_moments
from mace_core.refinement.refine import RefineSettings
from mace_core.training.factors import LowRank
from tests.core.toy import ToyTextEncoder

LAYER, OTHER = "diffusion_model.a.attn2.to_k", "diffusion_model.a.attn2.to_v"


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "erasure_format.md").read_text()


@pytest.fixture(scope="module")
def source(page):
    [block] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return block


@pytest.fixture(scope="module")
def reader(source):
    names = {}
    exec(compile(source, "docs/erasure_format.md", "exec"), names)  # noqa: S102
    return names


@pytest.fixture(params=PRECISIONS)
def path(request, tmp_path):
    g = torch.Generator().manual_seed(0)
    T, U, D = (torch.randn(*shape, generator=g) for shape in ((8, 8), (6, 2), (2, 8)))
    erasure = Erasure(
        T, LowRank({LAYER: (U, D * 1e-6)}), (Concept("ship", "sea"),), text_encoder="text", base="base"
    )
    save_erasure(erasure, tmp_path / "ship.safetensors", request.param)
    return tmp_path / "ship.safetensors"


def test_it_is_short_and_needs_safetensors_and_torch_alone(source):
    assert len([line for line in source.splitlines() if line.strip()]) <= 50
    imported = set(re.findall(r"^(?:from|import) (.+?)(?: import.*)?$", source, re.MULTILINE))
    assert imported == {"hashlib, json", "torch", "safetensors"}


@pytest.mark.parametrize("layer", [LAYER, OTHER])
def test_its_weights_are_ours(reader, path, layer):
    T, U, D, gate, pooled, description = reader["read_erasure"](path)
    W = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    ours = edited_weight(W, layer, load_erasure(path))
    assert torch.allclose(reader["edited"](W, layer, T, U, D), ours, atol=1e-6)
    assert description["concepts"][0]["target"] == "ship" and description["text_encoder"] == "text"
    assert gate == pooled == {}


def test_its_gate_is_ours(reader, tmp_path):
    encoder = ToyTextEncoder()
    gate, _ = calibrated_gate(encoder, Concept("ship", "sea"), None, reference_of(encoder))
    save_erasure(Erasure(torch.eye(encoder.d), LowRank(), (), gate=gate), tmp_path / "a.safetensors")
    *_, read, pooled, description = reader["read_erasure"](tmp_path / "a.safetensors")
    assert pooled == {}
    e = encoder.encode(["a ship and a horse"]).embeddings[0]
    g, h, _ = reader["opened"](e, **read)
    assert torch.allclose(g, gate_values(gate, e), atol=1e-5) and not h.any()
    assert description["format_version"] == FORMAT_VERSION


def test_its_pooled_part_is_ours(reader, tmp_path):
    encoder, ship = ToyTextEncoder(d=128, pooled=96), Concept("ship", "sea")
    gate, _ = calibrated_gate(encoder, ship, None, reference_of(encoder))
    moments = [concept_moments(encoder, ship)]
    erasure = closed_form_erasure([ship], moments, None, RefineSettings(), gate=gate)
    save_erasure(erasure, tmp_path / "a.safetensors")
    *_, pooled, description = reader["read_erasure"](tmp_path / "a.safetensors")
    p = encoder.encode(["a photo of the ship", "a horse"]).pooled
    g = pooled_gate_values(gate.pooled, p)[:, None]
    ours = p + g * (p @ erasure.pooled.down.T @ erasure.pooled.up.T)
    torch.testing.assert_close(reader["moved"](p, **pooled), ours, atol=1e-5, rtol=1e-4)
    assert g.tolist() == [[1.0], [0.0]] and description["format_version"] == FORMAT_VERSION


def test_its_hardened_gate_is_ours(reader, tmp_path):
    encoder, concept = ToyTextEncoder(), Concept("ship", "sea", synonyms=("boat",))
    reference = reference_of(encoder)
    gate, _ = calibrated_gate(encoder, concept, None, reference)
    words = words_of(encoder, reference.texts)
    gate = hardened(gate, encoder, concept, torch.eye(encoder.d, dtype=torch.float64), words, 2)
    save_erasure(Erasure(torch.eye(encoder.d), LowRank(), (), gate=gate), tmp_path / "a.safetensors")
    read = reader["read_erasure"](tmp_path / "a.safetensors")[3]
    e = encoder.encode(["a ship and a horse"]).embeddings[0]
    for found, wanted in zip(reader["opened"](e, **read), (gate_values(gate, e), *replacements(gate, e))):
        assert torch.allclose(found, wanted, atol=1e-4)


def test_it_notices_damage(reader, path):
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({**tensors, "T": tensors["T"] + 1}, path, metadata)
    with pytest.raises(ValueError, match="damaged"):
        reader["read_erasure"](path)


def test_the_page_describes_the_version_that_is_written(page, reader, path):
    assert f"format version {FORMAT_VERSION}\n" in page
    *_, description = reader["read_erasure"](path)
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert description["format_version"] == WITHOUT_GATE and set(description) <= rows
