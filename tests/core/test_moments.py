"""The moment sums: what they contain, which prompts are encoded, and which inputs are refused."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.text_encoder import REMEMBERED, EncodedPrompts, RememberingEncoder, encode_once
from mace_core.refinement.moments import WAITING, MomentSum, block_moment, concept_moments, second_moment
from mace_core.refinement.prior import PAPER_CAPTIONS, Prior, add_priors, prior_from_captions
from tests.core.properties import pair_embeddings
from tests.core.toy import ToyTextEncoder

SHIP = Concept("ship", "sea", synonyms=("boat",))


class Broken(ToyTextEncoder):
    def encode(self, prompts):
        encoded = super().encode(prompts)
        encoded.embeddings[0, 3, 5] = float("nan")
        return encoded


class Renaming(ToyTextEncoder):
    """Tokenizes a phrase inside a sentence differently from the phrase on its own."""

    def encode(self, prompts):
        encoded = super().encode(prompts)
        return EncodedPrompts(encoded.tokens * (encoded.tokens > 49000), encoded.embeddings)


def test_each_prompt_is_encoded_once():
    encoder = ToyTextEncoder()
    calls = []
    concept_moments(encoder, SHIP, lambda done, total: calls.append((done, total)))
    assert len(encoder.encoded) == len(set(encoder.encoded))
    assert set(encoder.encoded) == {prompt for p in prompt_pairs(SHIP) for prompt in (p.target, p.surrogate)}
    assert calls[-1] == (len(encoder.encoded),) * 2


def test_prompts_that_concepts_share_are_encoded_once():
    """When many people share one surrogate, its prompts are encoded only for the first of them."""
    encoder, people = ToyTextEncoder(), [Concept(f"name{i}", "person", "person") for i in range(5)]
    remembering = RememberingEncoder(encoder)
    moments = [concept_moments(remembering, person) for person in people]
    assert len(encoder.encoded) == len(set(encoder.encoded))
    for person, ours in zip(people, moments, strict=True):
        theirs = concept_moments(ToyTextEncoder(), person)
        assert all(torch.equal(getattr(ours, name), getattr(theirs, name)) for name in "GFC")


def test_what_is_remembered_is_bounded():
    encoder = ToyTextEncoder()
    remembering = RememberingEncoder(encoder)
    first, *_, last = prompts = [f"picture {i}" for i in range(REMEMBERED + 1)]
    encode_once(remembering, prompts)
    remembering.encode([last])
    assert encoder.encoded == prompts
    remembering.encode([first])
    assert encoder.encoded == [*prompts, first]


def test_moments_are_the_sums_they_say():
    """G, F and C equal the sums written out per prompt, repeated prompts included."""
    concept = Concept("ship", "sea", synonyms=("a ship", "boat"))  # 'a photo of a ship' occurs twice
    encoder, pairs = ToyTextEncoder(), prompt_pairs(concept)
    assert len({pair.target for pair in pairs}) < len(pairs)
    encoded = encode_once(encoder, [pair.target for pair in pairs])
    m = concept_moments(encoder, concept)
    matched = [pair_embeddings(encoder, pair) for pair in pairs]
    assert torch.allclose(m.G, sum(g.T @ f for f, g in matched))
    assert torch.allclose(m.F, sum(f.T @ f for f, _ in matched))
    distinct = {pair.target for pair in pairs}
    targets = torch.cat([encoded[prompt].embeddings[0] for prompt in distinct]).double()
    assert torch.allclose(m.C, targets.T @ targets)


def test_a_second_moment_wider_than_a_stripe():
    x = torch.randn(2, 5, 300)
    rows = x.flatten(0, 1).double()
    assert torch.allclose(second_moment([x[:1], x[1:]]), rows.T @ rows)


def test_moments_of_many_concepts_are_the_sum_of_each():
    """Some concepts share a surrogate; there are more surrogate prompts than one pending batch holds."""
    surrogates = ["sea", "ground", "sky", "sea"]
    concepts = [Concept(f"thing{i}", surrogate) for i, surrogate in enumerate(surrogates)]
    total = MomentSum(ToyTextEncoder())
    for concept in concepts:
        total.add(concept)
    assert len({pair.surrogate for concept in concepts for pair in prompt_pairs(concept)}) > WAITING
    each, both = [concept_moments(ToyTextEncoder(), concept) for concept in concepts], total.moments()
    for name in "GFC":
        assert torch.allclose(getattr(both, name), sum(getattr(m, name) for m in each), rtol=1e-12)


def test_concepts_erased_together_do_not_speak_of_each_other():
    fox, sepia = Concept("fox", "meadow"), Concept("sepia", "colour", "style")
    encoder = ToyTextEncoder()
    MomentSum(encoder, [fox, sepia]).add(fox)
    prompts = {pair.target for pair in prompt_pairs(fox)}
    assert {prompt for prompt in prompts if prompt not in encoder.encoded} == {"a sepia photo of an old fox"}


def test_moments_are_float64_and_symmetric_where_they_should_be():
    m = concept_moments(ToyTextEncoder(), SHIP)
    assert {x.dtype for x in (m.G, m.F, m.C)} == {torch.float64}
    assert torch.allclose(m.F, m.F.T) and torch.allclose(m.C, m.C.T) and not torch.allclose(m.G, m.G.T)
    assert m.C.trace() > m.F.trace()  # C includes the phrase, F does not


def test_prior_counts_repeated_captions_and_encodes_them_once():
    encoder = ToyTextEncoder()
    prior = prior_from_captions(encoder, ["a cat", "a dog", "a cat", " ", "a cat "])
    assert sorted(encoder.encoded) == ["a cat", "a dog"] and prior.captions == 4
    e = encoder.encode(["a cat", "a cat", "a cat", "a dog"]).embeddings.flatten(0, 1).double()
    assert torch.allclose(prior.P, e.T @ e * PAPER_CAPTIONS / 4)


def test_float32_blocks_are_as_exact_as_the_embeddings():
    """How a GPU sums: float32 within a batch, float64 across batches."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(1, 64, generator=generator)  # embeddings share a large component, so sums grow
    batches = [torch.randn(32 * 77, 64, generator=generator) + mean for _ in range(20)]
    found = sum(block_moment(rows).double() for rows in batches)
    exact = sum(rows.double().T @ rows.double() for rows in batches)
    upper = torch.ones(64, 64).triu().bool()
    # float32 has 24 bits; summing 2464 products of one sign loses at most 4 of them
    assert (found - exact)[upper].norm() <= 1e-6 * exact[upper].norm()


def test_prior_is_scaled_to_the_captions_of_the_paper():
    encoder = ToyTextEncoder()
    one, two = (prior_from_captions(encoder, ["a cat"] * n) for n in (1, 2))
    assert torch.allclose(one.P, two.P)
    assert torch.allclose(prior_from_captions(encoder, ["a cat"], weight=3.0).P, 3 * one.P)


def test_prior_reports_progress_by_batch():
    calls, captions = [], [f"picture {i}" for i in range(70)]
    prior_from_captions(ToyTextEncoder(), captions, progress=lambda *done: calls.append(done))
    assert calls == [(32, 70), (64, 70), (70, 70)]


def test_priors_add_up():
    encoder = ToyTextEncoder()
    a, b = prior_from_captions(encoder, ["a cat"]), prior_from_captions(encoder, ["a dog", "a bird"], 2.0)
    both = add_priors(a, b)
    assert torch.equal(both.P, a.P + b.P) and both.captions == 3


@pytest.mark.parametrize("other", [ToyTextEncoder(name="other"), ToyTextEncoder(d=16)])
def test_priors_of_different_encoders_do_not(other):
    with pytest.raises(ValueError, match="differ"):
        add_priors(prior_from_captions(ToyTextEncoder(), ["a cat"]), prior_from_captions(other, ["a cat"]))


def test_what_a_prior_refuses():
    with pytest.raises(ValueError, match="no captions"):
        prior_from_captions(ToyTextEncoder(), ["", "  "])
    with pytest.raises(ValueError, match="weight of the prior is 0"):
        prior_from_captions(ToyTextEncoder(), ["a cat"], weight=0)
    with pytest.raises(ValueError, match="'a cat'.*NaN or infinity"):
        prior_from_captions(Broken(), ["a cat"])
    with pytest.raises(ValueError, match="prior contains NaN"):
        Prior(torch.full((4, 4), float("nan")), 1, "toy")
    with pytest.raises(ValueError, match="square"):
        Prior(torch.zeros(4, 5), 1, "toy")


LONG = " ".join(["ship"] * 80)


def test_captions_that_cannot_be_used_do_not_stop_the_rest():
    encoder, skipped = ToyTextEncoder(), []
    captions = ["a cat", LONG, *(f"picture {i}" for i in range(40)), "a dog embedding:x", "embedding:y", LONG]
    prior = prior_from_captions(encoder, captions, skip=lambda *each: skipped.append(each))
    assert [caption for caption, _, _ in skipped] == [LONG, "a dog embedding:x", "embedding:y"]
    assert [count for _, _, count in skipped] == [2, 1, 1]
    assert "82 tokens" in skipped[0][1] and "embedding" in skipped[1][1]
    alone = prior_from_captions(
        ToyTextEncoder(), [each for each in captions if "ship" not in each and ":" not in each]
    )
    assert torch.allclose(prior.P, alone.P) and prior.captions == alone.captions == 41
    assert sorted(encoder.encoded) == sorted(set(encoder.encoded)), "each caption is encoded once"


def test_only_unusable_captions():
    with pytest.raises(ValueError, match="None of the 2 captions.*82 tokens"):
        prior_from_captions(ToyTextEncoder(), [LONG, "embedding:x"], skip=lambda *_: None)


def test_an_unusable_caption_stops_where_nobody_skips_it():
    for caption, why in ((LONG, "82 tokens"), ("a embedding:x", "textual-inversion")):
        with pytest.raises(ValueError, match=why):
            prior_from_captions(ToyTextEncoder(), ["a cat", caption])


def test_another_fault_of_the_encoder_is_no_fault_of_a_caption():
    class OutOfMemory(ToyTextEncoder):
        def encode(self, prompts):
            raise ValueError("There is too little memory: close something.")

    with pytest.raises(ValueError, match="too little memory"):
        prior_from_captions(OutOfMemory(), ["a cat"], skip=lambda *_: None)


def test_a_concept_cannot_be_an_embedding():
    with pytest.raises(ValueError, match="'embedding:x' .*textual-inversion"):
        concept_moments(ToyTextEncoder(), Concept("embedding:x", "sea"))


def test_what_moments_refuse():
    with pytest.raises(ValueError, match="NaN or infinity"):
        concept_moments(Broken(), SHIP)
    with pytest.raises(ValueError, match="not found"):
        concept_moments(Renaming(), SHIP)
    long = " ".join(["ship"] * 80)
    for concept in (Concept(long, "sea"), Concept("ship", long), Concept("ship", "sea", synonyms=(long,))):
        with pytest.raises(ValueError, match="80 tokens.*77"):
            concept_moments(ToyTextEncoder(), concept)
