"""Pooled vectors (SDXL): their closed form, gate and file, against dense sums in float64."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.text_encoder import RememberingEncoder
from mace_core.erasure.calibrate import calibrated_gate, reference_of
from mace_core.erasure.deltas import full_delta, low_rank_delta
from mace_core.erasure.erasure import closed_form_erasure, edited_weight
from mace_core.erasure.erasure_file import load_erasure, save_erasure
from mace_core.erasure.gate import joined
from mace_core.erasure.pooled import LAYER, PooledEdit, edited_pooled, pooled_edit, pooled_gate_values
from mace_core.refinement.moments import MomentSum, concept_moments
from mace_core.refinement.prior import add_priors, prior_from_captions, weighted
from mace_core.refinement.refine import RefineSettings
from tests.core.toy import ToyTextEncoder

P, TOKENS = 96, 77
ENCODER = ToyTextEncoder(d=128, pooled=P)
SHIP, DOG = Concept("ship", "sea", "object", ("boat",)), Concept("dog", "ground", "object")
CAPTIONS = ["a cat in a tree", "a house", "a house", "two people walking", "a red car"]


def pooled(texts) -> torch.Tensor:
    return ENCODER.encode(list(texts)).pooled.double()


@pytest.fixture(scope="module")
def reference():
    return reference_of(ENCODER)


@pytest.fixture(scope="module")
def erasure(reference):
    prior = prior_from_captions(ENCODER, CAPTIONS)
    gates = [calibrated_gate(ENCODER, concept, prior, reference)[0] for concept in (SHIP, DOG)]
    moments = [concept_moments(ENCODER, concept) for concept in (SHIP, DOG)]
    return closed_form_erasure([SHIP, DOG], moments, prior, RefineSettings(1e-5, 1.0), gate=joined(gates))


def matrix(edit: PooledEdit) -> torch.Tensor:
    return torch.eye(edit.width, dtype=torch.float64) + edit.up.double() @ edit.down.double()


@pytest.mark.parametrize("l1, ridge", [(1e-5, 1.0), (0.0, 50.0), (1e-3, 100.0)])
def test_it_is_the_least_squares_solution_of_equation_2(l1, ridge):
    """One row per prompt, as often as a prompt has tokens, solved densely without this algebra."""
    prior = prior_from_captions(ENCODER, CAPTIONS)
    edit = pooled_edit([concept_moments(ENCODER, SHIP).pooled], prior.pooled, RefineSettings(l1, ridge))
    pairs = prompt_pairs(SHIP)
    f, g = pooled(pair.target for pair in pairs), pooled(pair.surrogate for pair in pairs)
    kept = pooled(CAPTIONS) * (l1 * 616_767 / len(CAPTIONS) * TOKENS) ** 0.5
    eye = ridge**0.5 * torch.eye(P, dtype=torch.float64)
    rows = torch.cat([TOKENS**0.5 * f, kept, eye])
    wanted = torch.linalg.lstsq(rows, torch.cat([TOKENS**0.5 * g, kept, eye])).solution.T
    assert (matrix(edit) - wanted).norm() < 3e-4 * (wanted - torch.eye(P)).norm()


def test_the_target_becomes_the_surrogate_and_the_prior_stays(erasure):
    pairs = prompt_pairs(SHIP)
    f, g = pooled(pair.target for pair in pairs), pooled(pair.surrogate for pair in pairs)
    moved = f @ matrix(erasure.pooled).T
    assert ((moved - g).norm(dim=1) / (f - g).norm(dim=1)).mean() < 0.1
    prior = prior_from_captions(ENCODER, CAPTIONS)
    edits = [
        pooled_edit([concept_moments(ENCODER, SHIP).pooled], prior.pooled, RefineSettings(l1, 1.0))
        for l1 in (1e-6, 1e-5, 1e-4)
    ]
    kept = pooled(CAPTIONS)
    changes = [float((kept @ matrix(edit).T - kept).norm() / kept.norm()) for edit in edits]
    assert changes == sorted(changes, reverse=True) and changes[-1] < 0.01


def test_concepts_are_sums_and_remembered_prompts_keep_their_vectors():
    total = MomentSum(RememberingEncoder(ENCODER))
    for concept in (SHIP, DOG):
        total.add(concept)
    both, each = total.moments().pooled, [concept_moments(ENCODER, one).pooled for one in (SHIP, DOG)]
    torch.testing.assert_close(both.G, each[0].G + each[1].G)
    torch.testing.assert_close(both.times(3.0).F, 3 * (each[0].F + each[1].F))
    assert concept_moments(ToyTextEncoder(), SHIP).pooled is None


def test_priors_are_sums():
    one, other = prior_from_captions(ENCODER, CAPTIONS[:2]), prior_from_captions(ENCODER, CAPTIONS[2:])
    total = add_priors(weighted(one, 3.0), other)
    torch.testing.assert_close(total.pooled.P, 3 * one.pooled.P + other.pooled.P)
    assert total.pooled.texts == total.texts and total.pooled.ends.shape == (len(total.texts), 1, P)
    assert prior_from_captions(ToyTextEncoder(), CAPTIONS).pooled is None


def test_a_ridge_of_0_with_fewer_captions_than_directions_has_a_solution():
    prior = prior_from_captions(ENCODER, CAPTIONS[:2])
    edit = pooled_edit([concept_moments(ENCODER, DOG).pooled], prior.pooled, RefineSettings(1e-4, 0.0))
    assert matrix(edit).isfinite().all()


def test_the_gate_opens_for_the_concept_and_is_exactly_shut_elsewhere(erasure):
    def opened(*texts):
        return pooled_gate_values(erasure.gate.pooled, pooled(texts).float())

    assert (opened("a photo of a ship", "boat", "the ship", "a photo of a dog") > 0.9).all()
    assert not opened("", *CAPTIONS, "a photo of the sea", "a photo of the ground").any()
    assert opened("").item() == 0


def test_a_concept_added_changes_no_other_and_the_order_does_not_matter(reference):
    ship, dog = (calibrated_gate(ENCODER, each, None, reference)[0] for each in (SHIP, DOG))
    rows = pooled(["a photo of a ship", "a dog", "a horse", "the boat"]).float()
    alone = torch.maximum(pooled_gate_values(ship.pooled, rows), pooled_gate_values(dog.pooled, rows))
    for gate in (joined([ship, dog]), joined([dog, ship])):
        assert (pooled_gate_values(gate.pooled, rows) - alone).abs().max() < 1e-3  # another order of sums


def test_the_spread_is_what_whitening_shrinks(reference):
    """x - spread spread^T x is C^(-1/2) x, up to a factor, for the covariance C between templates."""
    names = reference.pooled.rows[:-1].double().unflatten(0, (-1, 9))
    apart = (names - names.mean(1, keepdim=True)).flatten(0, 1)
    C = apart.T @ apart / len(apart)
    C += 0.1 * C.diagonal().mean() * torch.eye(P, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(C)
    wanted = vectors @ torch.diag(values**-0.5) @ vectors.T
    spread = reference.pooled.spread.double()
    found = torch.eye(P, dtype=torch.float64) - spread @ spread.T
    torch.testing.assert_close(found / found.norm(), wanted / wanted.norm(), atol=2e-3, rtol=0)


def test_strength_0_is_the_weight_itself_and_other_columns_stay(erasure):
    W = torch.randn(10, P + 6)
    assert edited_pooled(W, erasure.pooled, 0.0) is W
    for strength in (1.0, 0.4):
        edited = edited_weight(W, LAYER, erasure, strength)
        wanted = W[:, :P].double() @ (strength * matrix(erasure.pooled) + (1 - strength) * torch.eye(P))
        torch.testing.assert_close(edited[:, :P], wanted.float())
        assert torch.equal(edited[:, P:], W[:, P:])
    with pytest.raises(ValueError, match="pooled vectors of 96"):
        edited_weight(W[:, :20], LAYER, erasure)


def test_differences_for_exports(erasure):
    W = torch.randn(10, P + 6)
    change = edited_weight(W, LAYER, erasure) - W
    assert torch.equal(full_delta(W, LAYER, erasure, torch.float32).tensors["diff"], change)
    whole = low_rank_delta(W, LAYER, erasure, 10, torch.float32)
    product = whole.tensors["lora_up.weight"] @ whole.tensors["lora_down.weight"]
    torch.testing.assert_close(product, change, atol=1e-5, rtol=1e-4)


def test_the_file_holds_it_bit_for_bit_and_an_erasure_without_it_loads(erasure, tmp_path):
    save_erasure(erasure, tmp_path / "a.safetensors")
    back = load_erasure(tmp_path / "a.safetensors")
    assert torch.equal(back.pooled.up, erasure.pooled.up) and torch.equal(
        back.pooled.down, erasure.pooled.down
    )
    for name, tensor in erasure.gate.pooled.state().items():
        assert torch.equal(back.gate.pooled.state()[name], tensor)
    without = replace(erasure, gate=replace(erasure.gate, pooled=None), pooled=None)
    save_erasure(without, tmp_path / "b.safetensors")
    assert load_erasure(tmp_path / "b.safetensors").pooled is None
    assert b"pooled." not in (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"centre": torch.zeros(3)},
        {"spread": torch.zeros(P - 1, 2)},
        {"prototypes": torch.full((3, P), torch.nan)},
        {"ramps": torch.zeros(3, 3)},
    ],
)
def test_a_pooled_gate_that_does_not_fit_together_is_refused(erasure, change):
    with pytest.raises(ValueError, match="make the erasure again"):
        replace(erasure.gate.pooled, **change)


def test_a_pooled_part_that_does_not_fit_is_refused(erasure):
    with pytest.raises(ValueError, match="make the erasure again"):
        PooledEdit(torch.zeros(P, 2), torch.zeros(3, P))
    with pytest.raises(ValueError, match="does not fit its gate"):
        replace(erasure, pooled=None)
    with pytest.raises(ValueError, match="does not fit its gate"):
        replace(erasure, pooled=PooledEdit(torch.zeros(7, 2), torch.zeros(2, 7)))
