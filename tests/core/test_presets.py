"""Presets: the authors' table, looked up by kind and number, and the effect of each variant."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.presets import (
    OWN,
    PAPER,
    PUBLISHED_CODE,
    domain_weight,
    fuse_balance,
    fuse_settings,
    own_kind_weights,
    own_weight,
    preset_of,
    refine_balance,
    refine_settings,
    shared_preset,
    train_settings,
)
from mace_core.refinement.moments import concept_moments
from mace_core.refinement.prior import PAPER_CAPTIONS, prior_from_captions
from mace_core.refinement.refine import RefineSettings, refine
from mace_core.training.exact import train_concept_lora
from mace_core.training.training_set import TrainingImages, training_prompts
from tests.core.toy import ToyAttentionModel, ToyTextEncoder

ENCODER = ToyTextEncoder(context_length=30)
SURROGATES = {"object": "sea", "person": "a person", "style": "art", "explicit": "clothes"}


def some(kind, count):
    return tuple(Concept(f"{kind} {i}", SURROGATES[kind], kind) for i in range(count))


@pytest.mark.parametrize("count, weight", [(1, 8e3), (2, 5e4), (5, 5e4), (10, 8e4), (11, 2e5), (100, 2e5)])
def test_people_by_number(count, weight):
    row = shared_preset(some("person", count))
    assert (row.prior_weight, row.learning_rate, row.preserve_weight, row.ridge) == (weight, 1e-4, 1e-4, 0.0)
    assert domain_weight(some("person", count), 50) * PAPER_CAPTIONS / 50 == pytest.approx(weight)


def test_own_weight_holds_the_balance_however_long_the_list():
    """Repeating a concept, each time with its share of the prior, equals listing it once."""
    [ship] = some("object", 1)
    moments = concept_moments(ENCODER, ship)
    prior = prior_from_captions(ENCODER, ["a cat", "a dog"])
    once, often = (
        refine([moments] * n, prior, RefineSettings(own_weight(1e-4, [ship] * n), ridge=7.0 * n))
        for n in (1, 50)
    )
    torch.testing.assert_close(often, once)
    assert not torch.allclose(refine([moments] * 50, prior, RefineSettings(1e-4, 350.0)), once, rtol=1e-3)


def test_a_relative_ridge_holds_the_balance_however_long_the_list():
    [ship] = some("object", 1)
    moments = concept_moments(ENCODER, ship)
    prior = prior_from_captions(ENCODER, ["a cat", "a dog"])
    balance = (
        refine_balance([ship] * n, OWN, preserve_weight=1e-4, ridge=0.0, relative_ridge=0.3) for n in (1, 50)
    )
    once, often = (refine([moments] * n, prior, each) for n, (each, _) in zip((1, 50), balance, strict=True))
    torch.testing.assert_close(often, once)


def test_the_authors_have_no_relative_ridge():
    ships = some("object", 2)
    for balance in (refine_balance, fuse_balance):
        for variant in (PAPER, PUBLISHED_CODE):
            assert balance(ships, variant, 1e-4, 1.0, relative_ridge=0.3)[0].relative_ridge == 0.0


def test_each_kind_has_the_balance_with_the_prior_that_it_has_alone():
    objects, people = some("object", 30), some("person", 10)
    weights = own_kind_weights([*objects, *people])
    for alone in (objects, people):
        [weight] = {weights[concept.kind] for concept in alone}
        assert own_weight(1e-4, [*objects, *people]) / weight == pytest.approx(own_weight(1e-4, alone))
    assert own_kind_weights(objects) == {"object": 1.0}


def test_each_kind_has_its_own():
    assert [preset_of(kind, 1).learning_rate for kind in KINDS] == [1e-5, 1e-4, 1e-4, 1e-5]
    assert [preset_of(kind, 1).steps for kind in KINDS] == [50, 50, 50, 120]
    assert [preset_of(kind, 1).cfis for kind in KINDS] == [True, True, True, False]
    with pytest.raises(ValueError, match="no preset .*'thing'"):
        preset_of("thing", 1)


def test_a_mixed_list_trains_each_kind_by_its_own_and_shares_what_protects_most():
    mixed = some("object", 30) + some("person", 10) + some("explicit", 4)
    assert shared_preset(mixed) == preset_of("person", 10)
    assert train_settings(mixed[0], 30, PAPER).learning_rate == 1e-5
    assert not train_settings(mixed[-1], 4, PAPER).cfis
    assert domain_weight(some("object", 3), 50) == 1.0


def test_the_published_code_counts_l1_twice_in_stage_1_only():
    people = some("person", 2)
    moments = [concept_moments(ENCODER, concept) for concept in people]
    prior = prior_from_captions(ENCODER, [f"a photo of a thing {i}" for i in range(60)])
    T = {
        variant: refine(moments, prior, refine_settings(people, variant))
        for variant in (PAPER, PUBLISHED_CODE)
    }
    expected = refine(moments, prior, RefineSettings(1e-4 * 1e-4, 0.0))
    assert torch.equal(T[PUBLISHED_CODE], expected) and not torch.allclose(T[PAPER], expected)
    assert fuse_settings(people).preserve_weight == 1e-4


def first_loss(variant, kind="object"):
    [concept] = some(kind, 1)
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    images, model = TrainingImages(latents, torch.ones(2, 8, 8)), ToyAttentionModel()
    settings = train_settings(concept, 1, variant)
    _, losses = train_concept_lora(model, training_prompts(ENCODER, concept), images, concept, settings)
    return losses[0], len(losses), model.timesteps


def test_the_published_code_trains_on_the_norm_and_on_the_end_token():
    """Checks the first loss with both settings, for the same image, prompt and timestep."""
    (paper, _, _), (published, _, _) = first_loss(PAPER), first_loss(PUBLISHED_CODE)
    assert published > paper**0.5  # more tokens, and a sum of roots exceeds the root of the sum
    settings = train_settings(some("object", 1)[0], 1, PUBLISHED_CODE)
    assert (settings.loss, settings.suppress_end_of_text) == ("norm", True)


@pytest.mark.parametrize("variant", [PAPER, PUBLISHED_CODE])
def test_the_authors_presets_start_where_their_learning_rates_were_found(variant):
    """AdamW moves U equally far whatever D is, so Delta W grows with D: by sqrt(3 d) here."""
    [concept] = some("object", 1)
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    images = TrainingImages(latents, torch.ones(2, 8, 8))
    authors = train_settings(concept, 1, variant)
    prompts, size = training_prompts(ENCODER, concept), {}
    for initial in (authors.initial, "uniform"):
        settings = replace(authors, initial=initial)
        lora, _ = train_concept_lora(ToyAttentionModel(), prompts, images, concept, settings)
        size[initial] = sum((U @ D).square().sum() for U, D in lora.low_rank.values()) ** 0.5
    assert size["normal"] / size["uniform"] == pytest.approx((3 * 32) ** 0.5, rel=0.3)


def test_explicit_concepts_train_longer_and_at_all_timesteps():
    _, steps, timesteps = first_loss(PAPER, "explicit")
    assert steps == 120 and sum(150 < t < 450 for t in timesteps) < 60
    _, steps, timesteps = first_loss(PAPER)
    assert steps == 50 and sum(150 < t < 450 for t in timesteps) > 45
