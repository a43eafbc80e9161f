"""A hardened gate: what it replaces in prompts about its concepts, and that it leaves all others alone."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure.calibrate import calibrated_gate, reference_of
from mace_core.erasure.erasure import Erasure
from mace_core.erasure.erasure_file import load_erasure, save_erasure
from mace_core.erasure.gate import (
    END,
    ENDED,
    PADDED,
    PADDING,
    SURE,
    WORD,
    Gate,
    cosines,
    gate_values,
    joined,
    replacements,
)
from mace_core.erasure.harden import embeddings_that_draw, hardened, moment_of_weights, words_of
from mace_core.training.factors import LowRank
from tests.core.toy import ToyTextEncoder

ENCODER = ToyTextEncoder()
SHIP, DOG = Concept("ship", "sea", "object", ("boat",)), Concept("dog", "ground", "object")
PROMPT = "a photo of the ship"  # its word is token 5
PLACE = 5
GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = [torch.randn(16, ENCODER.d, generator=GENERATOR) for _ in range(4)]
M = moment_of_weights(WEIGHTS)


@pytest.fixture(scope="module")
def reference():
    return reference_of(ENCODER)


@pytest.fixture(scope="module")
def words(reference):
    return words_of(ENCODER, reference.texts)


def gates_of(concept, reference, words, rounds=3):
    """The gate of a concept without and with hardening."""
    gate, _ = calibrated_gate(ENCODER, concept, None, reference)
    return gate, hardened(gate, ENCODER, concept, M, words, rounds)


def test_the_moment_is_the_sum_over_the_projections():
    wanted = sum(W.double().T @ W.double() for W in WEIGHTS)
    assert (M - wanted).norm() < 1e-6 * wanted.norm()


def test_each_round_finds_the_closest_embedding_that_is_new():
    """The constrained least squares, solved densely by its Lagrange conditions."""
    d, g = ENCODER.d, torch.Generator().manual_seed(1)
    whitening = torch.randn(d, d, generator=g, dtype=torch.float64)
    c = torch.randn(d, generator=g, dtype=torch.float64)
    found = embeddings_that_draw(M, c, whitening, 3)
    assert torch.equal(found[0], c)
    for n in range(1, 4):
        Q = found[:n] @ whitening @ whitening.T
        conditions = torch.cat(
            [torch.cat([M, Q.T], 1), torch.cat([Q, torch.zeros(n, n, dtype=torch.float64)], 1)]
        )
        wanted = torch.linalg.solve(conditions, torch.cat([M @ c, torch.zeros(n, dtype=torch.float64)]))[:d]
        assert (found[n] - wanted).norm() < 1e-4 * wanted.norm()


def test_it_replaces_nothing_in_a_prompt_that_the_gate_leaves_shut(reference, words):
    """Tokens far along the directions, alone: replaced only together with a token that opens the gate."""
    gate, hard = gates_of(SHIP, reference, words)
    directions = hard.directions[1:, : len(SHIP.phrases)].flatten(0, 1)
    e = (hard.centres[WORD] + 1e3 * directions)[:, None]  # prompts of one token
    shut = gate_values(gate, e).amax(-1) == 0
    assert shut.any()
    assert (replacements(hard, e)[0][shut] == 0).all()
    ship = ENCODER.encode([PROMPT]).embeddings[:, PLACE : PLACE + 1].expand(len(e), -1, -1)
    assert (replacements(hard, torch.cat([e, ship], 1))[0][shut] == 1).all()


def test_it_changes_nothing_about_the_gate_itself(reference, words):
    gate, hard = gates_of(SHIP, reference, words)
    e = ENCODER.encode(["a photo of a ship", "a horse"]).embeddings
    assert torch.equal(gate_values(gate, e), gate_values(hard, e))


def test_what_draws_the_concept_is_replaced_by_the_surrogates_word(reference, words):
    _, hard = gates_of(SHIP, reference, words)
    e = ENCODER.encode([PROMPT]).embeddings
    for direction in hard.directions[:, 0]:
        learned = e.clone()
        learned[0, PLACE] = hard.centres[WORD] + 1e3 * direction
        h, r = replacements(hard, learned)
        assert h[0, PLACE] == 1
        assert (r[0, PLACE] - hard.landings[0]).abs().max() < 1e-5
    assert replacements(hard, e)[0][0, PLACE] == 1  # the word itself


def test_a_cosine_does_not_hide_it(reference, words):
    """Length in other directions shuts the gate for a word, but not the hardened one."""
    gate, hard = gates_of(SHIP, reference, words)
    e = ENCODER.encode([PROMPT]).embeddings
    along = hard.directions[:, 0].double()
    noise = torch.randn(ENCODER.d, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    noise -= along.T @ torch.linalg.solve(along @ along.T, along @ noise)
    e[0, PLACE] += 1e3 * noise
    assert gate_values(gate, e)[0, PLACE] < 0.1
    assert replacements(hard, e)[0][0, PLACE] > 0.99


def test_words_of_others_stay(reference, words):
    _, hard = gates_of(SHIP, reference, words)
    rows = torch.cat([rows for text, rows in words.items() if "ship" not in text])
    mixed = torch.cat([rows, ENCODER.encode([PROMPT]).embeddings[0]])
    assert (replacements(hard, mixed)[0][: len(rows)] < 1e-4).all()  # float32 against float64


def test_texts_that_name_the_concept_do_not_count(reference, words):
    gate, hard = gates_of(SHIP, reference, words)
    more = hardened(gate, ENCODER, SHIP, M, words | words_of(ENCODER, ["a ship", "the boat"]), 3)
    assert torch.equal(hard.levels, more.levels)


def test_values_are_what_the_docstring_says(reference, words):
    gates = [gates_of(concept, reference, words)[1] for concept in (SHIP, DOG)]
    hard = joined(gates)
    e = ENCODER.encode(["a ship and a dog"]).embeddings
    h, r = replacements(hard, e)
    cosine = cosines(hard, e)[:, 0]  # [3, L, n]
    ramps = hard.ramps[:, :, None]  # [4, 2, 1, n]
    opens = [
        ((cosine[k] - ramps[r, 0]) / (ramps[r, 1] - ramps[r, 0])).clamp(0, 1)
        for k, r in ((WORD, SURE), (END, ENDED), (PADDING, PADDED))
    ]
    about = torch.stack(opens).amax((0, 1)).double()  # [n]: is the prompt about the phrase?
    alone = hard.ramps[0, 0] < 2
    kinds = cosine[..., alone].amax(-1).argmax(0)
    g = gate_values(hard, e)[0]
    after = torch.stack([g[:place].amax() if place else g[0] * 0 for place in range(len(g))])
    whole = (torch.stack(opens[1:]).amax((0, -1)) * (kinds != WORD) * after).double()
    sure = opens[0].double()
    for place, token in enumerate(e[0].double()):
        opened, mixed = [], torch.zeros(ENCODER.d, dtype=torch.float64)
        for n in range(len(hard.landings)):
            along = hard.directions[:, n].double() @ (token - hard.centres[WORD].double())
            low, high = hard.levels[:, :, n].double()
            far = ((along - low) / (high - low)).clamp(0, 1).max() * about[n]
            opened.append(max(far, sure[place, n]) * (1 - whole[place]))
            mixed += opened[-1] * hard.landings[n].double()
        assert abs(h[0, place] - max(opened)) < 1e-3
        if max(opened) > 0.01:
            assert torch.allclose(r[0, place].double(), mixed / sum(opened), atol=1e-2)


def test_a_concept_added_changes_no_other_and_the_order_does_not_matter(reference, words):
    ship, dog = (gates_of(concept, reference, words)[1] for concept in (SHIP, DOG))
    e = ENCODER.encode(["a ship and a dog", "a horse", "the boat"]).embeddings
    alone = torch.maximum(replacements(ship, e)[0], replacements(dog, e)[0])
    for gate in (joined([ship, dog]), joined([dog, ship])):
        assert (replacements(gate, e)[0] - alone).abs().max() < 1e-3


def test_the_file_holds_it_bit_for_bit(reference, words, tmp_path):
    _, hard = gates_of(SHIP, reference, words)
    save_erasure(erasure_with(hard), tmp_path / "a.safetensors")
    back = load_erasure(tmp_path / "a.safetensors").gate.state()
    assert back.keys() == hard.state().keys() and len(back) == 7
    assert all(torch.equal(tensor, back[name]) for name, tensor in hard.state().items())


@pytest.mark.parametrize(
    "change",
    [
        {"directions": None},
        {"levels": None},
        {"landings": torch.zeros(1, 32)},
        {"levels": torch.zeros(2, 3, 2)},
        {"directions": torch.full((4, 2, 32), torch.nan)},
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(reference, words, change):
    with pytest.raises(ValueError, match="make the erasure again"):
        replace(gates_of(SHIP, reference, words)[1], **change)


def erasure_with(gate):
    return Erasure(torch.eye(ENCODER.d), LowRank(), (SHIP,), text_encoder=ENCODER.fingerprint, gate=gate)


def test_the_end_and_the_padding_stay_because_they_carry_the_whole_prompt(reference, words):
    _, hard = gates_of(SHIP, reference, words)
    e = ENCODER.encode([PROMPT]).embeddings
    assert gate_values(hard, e)[0, PLACE + 1 :].min() == 1  # so the edit acts on them
    assert not replacements(hard, e)[0][0, PLACE + 1 :].any()


def test_the_word_is_replaced_but_not_the_end_that_follows_it():
    """Written for one token of each sort; only the end reaches far along the direction."""
    word, end = torch.eye(4)[:2]
    ramps = torch.tensor([(0.5, 0.6), (0.9, 0.95), (0.5, 0.6), (0.5, 0.6)])[..., None]
    prototypes = torch.stack([word, end, end])[:, None]
    levels = torch.tensor([1.0, 2.0])[:, None, None]
    hardening = {"directions": end[None, None], "levels": levels, "landings": torch.full((1, 4), 7.0)}
    gate = Gate(torch.zeros(3, 4), torch.eye(4), prototypes, ramps, **hardening)
    other, both = torch.tensor([0, 0, 1.0, 0]), 5 * word + 4 * end
    e = torch.stack([5 * end, 5 * word, 5 * end, other, both])  # the first end follows nothing
    h, r = replacements(gate, e)
    assert h.tolist() == [1, 1, 0, 0, 1] and (r[h > 0] == 7).all()
