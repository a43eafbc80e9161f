"""A gate in prompts with two objects: open for the concept, shut for two others, whichever comes first."""

from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.concepts.kinds.kind import PARTNERS
from mace_core.concepts.prompts import prompts_beside
from mace_core.encoder.alignment import end_token, locate
from mace_core.encoder.text_encoder import END_OF_TEXT, EncodedPrompts
from mace_core.erasure.calibrate import calibrated_gate, reference_of
from mace_core.erasure.gate import NEVER, Gate, gate_values
from mace_core.erasure.pooled import pooled_gate_values
from mace_core.refinement.prior import prior_from_captions
from tests.core.toy import ToyTextEncoder


class BlendingEncoder(ToyTextEncoder):
    """As CLIP does it: a word carries the words before it, and the end and the padding carry all of them."""

    def encode(self, prompts):
        encoded = super().encode(prompts)
        e = torch.stack([self._blend(row) for row in encoded.tokens.tolist()])
        ends = [end_token(tokens, slice(0, 1)) for tokens in encoded.tokens]
        pooled = torch.stack([each[end] for each, end in zip(e, ends, strict=True)])
        return EncodedPrompts(encoded.tokens, e, pooled)

    def _blend(self, ids):
        own = torch.stack([normal(token, self.d) for token in ids])
        end = ids.index(END_OF_TEXT)
        earlier = torch.stack([own[:place].sum(0) / (1 + place) ** 0.5 for place in range(len(ids))])
        e = own + earlier
        e[end:] = 0.3 * own[end:] + own[1:end].sum(0)
        return e


@cache
def normal(seed, d):
    return torch.randn(d, generator=torch.Generator().manual_seed(seed))


ENCODER = BlendingEncoder(d=256, pooled=256)  # pooled vectors are end tokens
ERASED = (
    Concept("ship", "sea"),
    Concept("rabbit", "meadow", "object", ("bunny",)),
    Concept("Jo Doe", "a person", "person"),
)
NEW = ("tiger", "clock", "octopus", "whale")  # none of PARTNERS
BOTH = ("a picture of {} and {}", "{} with {}", "a drawing of {}, {}")  # no template of a kind


@pytest.fixture(scope="module")
def reference():
    return reference_of(ENCODER)


def gate_of(concept, reference, prior=None):
    return calibrated_gate(ENCODER, concept, prior, reference)[0]


def named(concept, phrase):
    return phrase if concept.kind == "person" else f"a {phrase}"


@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("concept", ERASED, ids=lambda concept: concept.target)
def test_it_opens_for_the_word_the_end_and_the_padding(reference, concept, place):
    gate, pooled = gate_of(concept, reference), []
    for template, other, phrase in product(BOTH, NEW, concept.phrases):
        names = [f"a {other}", named(concept, phrase)][:: 1 if place else -1]
        prompt = template.format(*names)
        encoded = ENCODER.encode([prompt])
        tokens, g = encoded.tokens[0], gate_values(gate, encoded.embeddings[0])
        word = locate(ENCODER, tokens, prompt, phrase).stop - 1
        end = end_token(tokens, slice(0, 1))
        places = [word, end, end + 1, -1]
        if concept.kind == "person" and place == 1:
            # Here every word weighs as much at the end, so the end about a namesake alone is closer to the
            # name's than the end about the name and a tiger. The miniature can tell them apart
            # (tests/host/test_gated.py).
            places = [word]
        assert g[places].min() > 0.5, (prompt, g[: end + 2])
        if place == 0 and " and " in prompt:  # "and" carries the phrase
            assert g[word + 1] > 0.5, (prompt, g[: end + 2])
        pooled.append(pooled_gate_values(gate.pooled, encoded.pooled))
    assert torch.cat(pooled).mean() > 0.8


@pytest.mark.parametrize("concept", ERASED, ids=lambda concept: concept.target)
def test_it_is_exactly_shut_for_two_other_objects(reference, concept):
    gate = gate_of(concept, reference)
    others = [
        template.format(f"a {one}", f"a {two}")
        for template, one, two in product(BOTH, NEW, NEW)
        if one != two
    ]
    encoded = ENCODER.encode(others)
    assert not gate_values(gate, encoded.embeddings).any()
    assert not pooled_gate_values(gate.pooled, encoded.pooled).any()


def test_it_is_exactly_shut_for_what_the_prior_preserves(reference):
    captions = ["a tiger next to a shipyard", "a photo of Jo Smith", "a rabbit"]
    prior = prior_from_captions(ENCODER, captions)
    encoded = ENCODER.encode(captions)
    for concept in ERASED:
        shut = [n for n, text in enumerate(captions) if concept.target not in text]
        ends = encoded.pooled[shut][:, None]  # prompts of one token
        assert not gate_values(gate_of(concept, reference, prior), ends).any()


def test_part_of_a_name_is_not_the_name(reference):
    """Another person with the same first name: the prototypes of two objects stay shut."""
    gate = gate_of(ERASED[2], reference)
    assert gate.prototypes.shape[1] == 3  # by itself, and twice beside another object
    beside = replace(gate, prototypes=gate.prototypes[:, 1:], ramps=gate.ramps[..., 1:], pooled=None)
    encoded = ENCODER.encode([f"a {other} and Jo" for other in NEW] + ["Jo and a piano", "a lamp next to Jo"])
    assert not gate_values(beside, encoded.embeddings).any()


def test_the_pooled_vectors_of_namesakes_leave_the_gate_of_a_person_alone_shut(reference):
    pooled = gate_of(ERASED[2], reference).pooled
    alone = replace(pooled, prototypes=pooled.prototypes[:1], ramps=pooled.ramps[:, :1])
    prompts = ["a photo of Jo Doe", "Jo Smith", "a photo of Anna Doe"]
    own, *namesakes = pooled_gate_values(alone, ENCODER.encode(prompts).pooled)
    assert own == 1 and not any(namesakes)


def test_prompts_with_two_objects_are_those_of_the_kind():
    after, before = prompts_beside(ERASED[1])
    partners = len(PARTNERS) - 1  # not a rabbit beside a rabbit
    assert len(after) == len(before) == 2 * partners
    assert after[0].target == "a photo of an airplane and a rabbit"
    assert before[0].target == "a photo of a rabbit and an airplane"
    assert not any("a rabbit" in pair.target for pair in (*after[partners:], *before[partners:]))
    assert prompts_beside(Concept("Van Gogh", "art", "style")) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_templates_with_two_objects_have_a_gap_for_each(kind):
    for both in KINDS[kind].beside:
        assert all(template.count("{}") == template.count("{other}") == 1 for template in both)
        assert [template.index("{}") > template.index("{other}") for template in both] == [True, False]


def test_no_case_hides_that_a_caption_names_the_concept(reference):
    capital = Concept("Ship", "sea")
    naming = prior_from_captions(ENCODER, ["a photo of a ship", "the Ship"])
    assert torch.equal(gate_of(capital, reference, naming).ramps, gate_of(capital, reference).ramps)


def test_tokens_before_the_phrase_stay_shut():
    """The text encoder reads from left to right. By itself, a phrase opens for whatever is close."""
    word, end = torch.eye(4)[:2]
    ramps = torch.tensor([NEVER, (0.1, 0.2), (0.5, 0.6), (0.5, 0.6)])[..., None]
    beside = Gate(torch.zeros(3, 4), torch.eye(4), torch.stack([word, end, end])[:, None], ramps)
    sure = torch.where(ramps < NEVER[0], ramps, 0.99)
    e = torch.tensor([[0.3, 0, 1, 0], [0.1, 0, 0, 1], [0.9, 0, 0.4, 0], [0.3, 0, 1, 0], [0, 1, 0, 0]])
    assert gate_values(beside, e).tolist() == [0, 0, 1, 1, 1]
    assert gate_values(replace(beside, ramps=sure), e).tolist() == [1, 0, 1, 1, 1]
