"""Exports: the best approximation at a given rank, a true report of the error, and complete files or none."""

import json
import os

import pytest
import safetensors.torch
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure.deltas import best_factors, full_delta, low_rank_delta
from mace_core.erasure.erasure import Erasure, edited_weight
from mace_core.erasure.export import FORMATS, FULL, LORA, PEFT, ExportSettings, export_erasure
from mace_core.training.factors import LowRank

FUSED, PLAIN = "diffusion_model.a.attn2.to_k", "diffusion_model.b.attn2.to_v"
MODULES = {FUSED: "down_blocks.0.attn2.to_k", PLAIN: "mid_block.attn2.to_v"}
D_MODEL = 24


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def erasure():
    """Low-rank factors on one of two layers; the rows of D are as small as with a strong prior."""
    T = torch.eye(D_MODEL) + random(D_MODEL, D_MODEL) / 10
    U, D = random(20, 2, seed=1) * 1e4, random(2, D_MODEL, seed=2) * 1e-8
    return Erasure(T, LowRank({FUSED: (U, D)}), (Concept("ship", "sea"),))


@pytest.fixture
def weights():
    return {FUSED: random(20, D_MODEL, seed=3), PLAIN: random(30, D_MODEL, seed=4)}


def listed(weights):
    return [(layer, MODULES[layer], W) for layer, W in weights.items()]


def product(delta):
    return delta.tensors["lora_up.weight"].double() @ delta.tensors["lora_down.weight"].double()


@pytest.mark.parametrize("decay", [0.2, 2.0, 10.0])
@pytest.mark.parametrize("shape", [(320, 200), (200, 320)])
@pytest.mark.parametrize("rank", [0, 1, 8, 40])
def test_no_factors_of_that_rank_are_better_by_a_hundredth(shape, rank, decay):
    X, Y = (torch.linalg.qr(random(size, 200, seed=size))[0] for size in shape)
    S = torch.linspace(1, 1e-3, 200) ** decay
    B, V = best_factors((X * S) @ Y.T, rank)
    best = S[rank:].double().norm()
    assert B.shape == (shape[0], rank) and V.shape == (rank, shape[1])
    assert ((X * S) @ Y.T - B @ V).double().norm() <= 1.01 * best + 1e-5


@pytest.mark.parametrize("layer", [FUSED, PLAIN])
def test_full_differences_and_full_rank_are_the_edit_itself(erasure, weights, layer):
    W = weights[layer].double()
    exact = W @ (erasure.T.double() - torch.eye(D_MODEL))
    if layer == FUSED:
        exact = exact + erasure.low_rank[layer][0].double() @ erasure.low_rank[layer][1].double()
    full = full_delta(weights[layer], layer, erasure, torch.float32)
    low = low_rank_delta(weights[layer], layer, erasure, 999, torch.float32)
    assert torch.allclose(full.tensors["diff"].double(), exact, atol=1e-5)
    assert torch.allclose(product(low), exact, atol=1e-5)
    assert full.error == 0 and low.error < 1e-10 * low.change


def test_the_errors_told_are_those_of_the_tensors_and_fall_with_the_rank(erasure, weights):
    edit = edited_weight(weights[FUSED], FUSED, erasure).double() - weights[FUSED]
    errors = []
    for rank in (0, 2, 6, 12, 20):
        delta = low_rank_delta(weights[FUSED], FUSED, erasure, rank, torch.float32)
        assert len(delta.tensors["lora_down.weight"]) == rank + 2
        assert delta.error == pytest.approx((edit - product(delta)).square().sum().item(), rel=1e-5, abs=1e-7)
        assert delta.change == pytest.approx(edit.square().sum().item(), rel=1e-5)
        errors.append(delta.error)
    assert errors == sorted(errors, reverse=True) and errors[0] > 1000 * errors[-1]


def test_the_low_rank_part_is_exact_at_rank_0(erasure, weights):
    kept = Erasure(torch.eye(D_MODEL), erasure.low_rank, ())
    delta = low_rank_delta(weights[FUSED], FUSED, kept, 0, torch.float32)
    exact = erasure.low_rank[FUSED][0].double() @ erasure.low_rank[FUSED][1].double()
    assert (product(delta) - exact).norm() < 1e-6 * exact.norm()
    assert delta.closed_form < 1e-10 and delta.error < 1e-6 * exact.square().sum()


def test_float16_rounds_and_loses_nothing(erasure, weights):
    delta = low_rank_delta(weights[FUSED], FUSED, erasure, 999, torch.float16)
    assert delta.tensors["lora_up.weight"].dtype == torch.float16
    assert 0 < delta.error < 1e-6 * delta.change


@pytest.mark.parametrize("form", FORMATS)
def test_a_cancelled_export_leaves_nothing(erasure, weights, tmp_path, form):
    def cancel(module):
        raise InterruptedError(module)

    with pytest.raises(InterruptedError, match="down_blocks"):
        export_erasure(erasure, listed(weights), ExportSettings(form), tmp_path / "out", cancel)
    assert os.listdir(tmp_path) == []


def test_the_stock_lora_file(erasure, weights, tmp_path):
    settings = ExportSettings(LORA, rank=4)
    report = export_erasure(erasure, listed(weights), settings, tmp_path / "ship.safetensors")
    assert os.listdir(tmp_path) == ["ship.safetensors"]
    tensors = safetensors.torch.load_file(tmp_path / "ship.safetensors")
    key = "lora_unet_down_blocks_0_attn2_to_k"
    assert {f"{key}.lora_up.weight", f"{key}.lora_down.weight", f"{key}.alpha"} <= set(tensors)
    assert len(tensors) == 6
    for layer, module in MODULES.items():  # one rank for all layers, padded with zeros
        up, down, alpha = (
            tensors[f"lora_unet_{module.replace('.', '_')}.{end}"]
            for end in ("lora_up.weight", "lora_down.weight", "alpha")
        )
        delta = low_rank_delta(weights[layer], layer, erasure, 4, torch.float32)
        assert up.shape[1] == len(down) == alpha == 6
        assert torch.allclose(up @ down, product(delta).float(), atol=1e-6)
    with safetensors.safe_open(tmp_path / "ship.safetensors", "pt") as file:
        description = json.loads(file.metadata()["mace_export"])
    assert description["concepts"][0]["target"] == "ship" and description["report"] == report


def test_the_report_adds_up(erasure, weights, tmp_path):
    report = export_erasure(erasure, listed(weights), ExportSettings(LORA, rank=4), tmp_path / "x")
    parts = {layer: W.double() @ (erasure.T.double() - torch.eye(D_MODEL)) for layer, W in weights.items()}
    kept, total = {}, {}
    for layer, part in parts.items():
        S = torch.linalg.svdvals(part).square()
        kept[layer], total[layer] = S[:4].sum(), S.sum()
    shares = {layer: kept[layer] / total[layer] for layer in parts}
    worst = min(shares, key=shares.get)
    assert f"{sum(kept.values()) / sum(total.values()):.3%} in all" in report
    assert f"{shares[worst]:.3%} in the worst layer, {MODULES[worst]}" in report
    assert report.startswith("Rank 6 in 2 layers")


def test_rank_0_after_stage_1_alone_is_refused(erasure, weights, tmp_path):
    refined = Erasure(erasure.T, LowRank(), erasure.concepts)
    for form in (LORA, PEFT):
        with pytest.raises(ValueError, match="nothing to export"):
            export_erasure(refined, listed(weights), ExportSettings(form, rank=0), tmp_path / "x")
    assert "exact" not in export_erasure(refined, listed(weights), ExportSettings(FULL, 0), tmp_path / "x")


@pytest.mark.parametrize(
    "wrong, said",
    [({"format": "GGUF"}, "format 'GGUF'"), ({"rank": -1}, "rank is -1"), ({"precision": "int4"}, "'int4'")],
)
def test_settings_that_do_not_exist(wrong, said):
    with pytest.raises(ValueError, match=said):
        ExportSettings(**wrong)


def test_an_existing_folder_is_kept(erasure, weights, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(OSError):
        export_erasure(erasure, listed(weights), ExportSettings(FULL), tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["mine"]
