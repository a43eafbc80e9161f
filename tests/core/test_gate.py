"""A gate: its values, its file, what shuts it, and that no concept changes another's."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure.calibrate import RAMPS, calibrated_gate, reference_of
from mace_core.erasure.erasure import Erasure
from mace_core.erasure.erasure_file import FORMAT_VERSION, load_erasure, save_erasure
from mace_core.erasure.gate import Gate, cosines, gate_values, joined
from mace_core.files.tensor_file import tensor_bytes
from mace_core.refinement.prior import add_priors, prior_from_captions, weighted
from mace_core.training.factors import LowRank
from tests.core.toy import ToyTextEncoder

ENCODER = ToyTextEncoder()
SHIP, DOG = Concept("ship", "sea", "object", ("boat",)), Concept("dog", "ground", "object")


@pytest.fixture(scope="module")
def reference():
    return reference_of(ENCODER)


def gate_of(concept, reference, prior=None):
    return calibrated_gate(ENCODER, concept, prior, reference)[0]


def test_it_is_exactly_shut_for_a_token_far_from_every_prototype(reference):
    gate = gate_of(SHIP, reference)
    opposite = -gate.prototypes.sum((0, 1)) @ torch.linalg.inv(gate.whitening)
    assert gate_values(gate, 1e3 * opposite[None]).item() == 0


def test_values_are_what_the_docstring_says(reference):
    """Written out token by token and phrase by phrase, in float64."""
    gate = gate_of(SHIP, reference)
    e = ENCODER.encode(["a ship and a boat"]).embeddings[0].double()
    word, end, padding = (
        torch.stack(
            [
                torch.nn.functional.cosine_similarity((token - centre) @ gate.whitening.double(), mu, dim=-1)
                for token in e
            ]
        )
        for centre, mu in zip(gate.centres.double(), gate.prototypes.double())
    )  # each [L, n]

    def ramp(which, cosine):
        low, high = gate.ramps[which].double()
        return ((cosine - low) / (high - low)).clamp(0, 1)

    wanted = torch.zeros(len(e), dtype=torch.float64)
    for n in range(gate.prototypes.shape[1]):
        sure, likely = ramp(0, word)[:, n], ramp(1, word)[:, n]
        ended = torch.maximum(ramp(2, end)[:, n], ramp(3, padding)[:, n])
        about = max(sure.max(), ended.max())
        if gate.ramps[0, 0, n] >= 2:  # beside another object
            first = int((word[:, n] >= word[:, n].max() / 2).nonzero()[0])
            likely[:first] = 0
        wanted = torch.stack([wanted, ended, sure, likely * about]).amax(0)
    assert (gate_values(gate, e.float()) - wanted).abs().max() < 1e-4  # float32 against float64, ramps of 0.1
    assert wanted.max() == 1


def test_a_concept_added_changes_no_other_and_the_order_does_not_matter(reference):
    ship, dog = gate_of(SHIP, reference), gate_of(DOG, reference)
    both, turned = joined([ship, dog]), joined([dog, ship])
    e = ENCODER.encode(["a ship and a dog", "a horse", "the boat"]).embeddings
    alone = torch.maximum(gate_values(ship, e), gate_values(dog, e))
    for gate in (both, turned):  # products of other shapes round otherwise, and a ramp is at least 0.015 wide
        assert (gate_values(gate, e) - alone).abs().max() < 1e-3
    assert (cosines(both, e)[..., : ship.prototypes.shape[1]] - cosines(ship, e)).abs().max() < 1e-5


def test_what_the_prior_preserves_stays_shut_even_if_it_is_close(reference):
    close = "a photo of the ship"
    prior = prior_from_captions(ENCODER, ["a photo of the shipyard", "a cat"])
    (shipyard, _), told = prior.ends, calibrated_gate(ENCODER, SHIP, prior, reference)
    gate = told[0]
    rows = torch.stack([shipyard[0], ENCODER.encode([close]).embeddings[0, 6]])
    assert gate_values(gate, rows[:1]).item() == 0
    # pretend that a caption is almost the concept: the gate gives way to it, and says how close it is
    almost = replace(prior, ends=prior.ends.clone())
    almost.ends[0] = ENCODER.encode(["a photo of a ship"]).embeddings[0, [6, 7]]
    gate, promise = calibrated_gate(ENCODER, SHIP, almost, reference)
    assert gate_values(gate, almost.ends[0, :1]).item() == 0
    assert promise.nearest > told[1].nearest
    assert (promise.phrase, promise.text) == ("ship", "a photo of the shipyard")


def test_captions_that_name_the_concept_do_not_shut_its_gate(reference):
    naming = prior_from_captions(ENCODER, ["a photo of a ship", "the boat"])
    assert torch.equal(gate_of(SHIP, reference, naming).ramps, gate_of(SHIP, reference).ramps)


def test_a_prior_or_a_reference_of_another_text_encoder_is_refused(reference):
    other = ToyTextEncoder(d=16, name="other")
    alike = ToyTextEncoder(name="alike")
    for prior, known in (
        (prior_from_captions(other, ["a cat"]), reference),
        (prior_from_captions(alike, ["a cat"]), reference),
        (None, reference_of(alike)),
    ):
        with pytest.raises(ValueError, match="differ.* make all of them with the same CLIP"):
            calibrated_gate(ENCODER, SHIP, prior, known)


def test_a_prior_keeps_its_last_tokens_through_weights_and_sums():
    a = prior_from_captions(ENCODER, ["a cat", "a dog", "a cat"])
    b = prior_from_captions(ENCODER, ["a horse"])
    total = add_priors(weighted(a, 2.0), b)
    assert total.texts == ("a cat", "a dog", "a horse")
    assert torch.equal(total.ends, torch.cat([a.ends, b.ends]))
    many = prior_from_captions(ENCODER, [f"a cat {number}" for number in range(600)])
    assert 150 <= len(many.texts) == len(many.ends) <= 256


def test_ramps_rise():
    assert all(low < high for low, high in RAMPS)


def erasure_with(gate):
    d = ENCODER.d
    return Erasure(torch.eye(d), LowRank(), (SHIP,), text_encoder=ENCODER.fingerprint, gate=gate)


def test_the_file_holds_it_bit_for_bit(reference, tmp_path):
    gate = gate_of(SHIP, reference)
    save_erasure(erasure_with(gate), tmp_path / "a.safetensors")
    back = load_erasure(tmp_path / "a.safetensors").gate
    assert all(torch.equal(tensor, back.state()[name]) for name, tensor in gate.state().items())


def test_a_file_without_a_gate_has_the_earlier_version(tmp_path):
    path = tmp_path / "a.safetensors"
    save_erasure(erasure_with(None), path)
    assert b'\\"format_version\\": 1' in path.read_bytes()
    assert load_erasure(path).gate is None
    assert FORMAT_VERSION == 2


@pytest.mark.parametrize(
    "change",
    [
        {"centres": torch.zeros(2, 32)},
        {"whitening": torch.zeros(32, 31)},
        {"ramps": torch.zeros(4, 2, 5)},
        {"prototypes": torch.full((3, 2, 32), torch.nan)},
        {"ramps": torch.zeros(4, 2, 2, dtype=torch.int64)},
    ],
)
def test_a_gate_that_does_not_fit_together_is_refused(reference, change):
    with pytest.raises(ValueError, match="make the erasure again"):
        replace(gate_of(SHIP, reference), **change)


def test_a_gate_of_another_width_is_refused(reference):
    with pytest.raises(ValueError, match="does not fit the erasure"):
        replace(erasure_with(gate_of(SHIP, reference)), T=torch.eye(8), gate=gate_of(SHIP, reference))


def test_the_whitening_shrinks_what_differs_between_templates(reference):
    """Templates of the same name lie closer together than different names, relative to before."""
    rows = reference.rows[:, 1].unflatten(0, (-1, 9))  # END, [names, templates, d]

    def ratio(x):
        return (x - x.mean(1, keepdim=True)).square().mean() / (x.mean(1) - x.mean((0, 1))).square().mean()

    assert ratio((rows - reference.centres[1]) @ reference.whitening) < ratio(rows)


def test_the_state_is_what_safetensors_can_hold(reference):
    assert tensor_bytes(gate_of(SHIP, reference).state(), {})
    assert isinstance(Gate(**gate_of(SHIP, reference).state()), Gate)
