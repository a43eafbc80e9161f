"""Stages 1 and 3: their settings and the inputs they refuse. For the mathematics, see test_properties."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.prompts import prompt_pairs, templates_naming
from mace_core.encoder.text_encoder import encode_once
from mace_core.erasure.erasure import closed_form_erasure, edited_weight, fused_erasure
from mace_core.erasure.fuse import TOGETHER, FuseSettings, fuse
from mace_core.refinement.moments import concept_moments, second_moment
from mace_core.refinement.prior import prior_from_captions
from mace_core.refinement.refine import RefineSettings, refine
from mace_core.training.lora import untrained_lora, without_prompts_of_others
from tests.core.properties import product, relative, weight
from tests.core.toy import ToyTextEncoder, random_loras

SHIP, DOG = Concept("ship", "sea"), Concept("dog", "ground")
LAYERS = {"k": (24, 32), "v": (24, 32)}
ENCODER = ToyTextEncoder()


@pytest.fixture(scope="module")
def moments():
    return [concept_moments(ENCODER, concept) for concept in (SHIP, DOG)]


@pytest.fixture(scope="module")
def prior():
    return prior_from_captions(ENCODER, ["a photo of a cat", "a red bird in the snow"])


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["preserve_weight", "ridge", "relative_ridge"])
@pytest.mark.parametrize("kind", [RefineSettings, FuseSettings])
def test_settings_out_of_range(kind, name, value):
    with pytest.raises(ValueError, match=f"{name} is "):
        kind(**{name: value})


def test_an_open_matrix_asks_for_a_ridge():
    d = 100  # more dimensions than tokens, and no ridge
    e = torch.randn(10, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    few = type("Moments", (), {"G": e.T @ e, "F": e.T @ e, "fingerprint": "toy"})()
    with pytest.raises(ValueError, match="singular"):
        refine([few], None, RefineSettings(0.0, 0.0))


def test_nothing_to_refine():
    with pytest.raises(ValueError, match="neither concepts nor a prior"):
        refine([], None, RefineSettings())


def test_another_text_encoder(moments, prior):
    for other in (ToyTextEncoder(name="other"), ToyTextEncoder(d=16)):
        strange = prior_from_captions(other, ["a cat"])
        with pytest.raises(ValueError, match="concepts and the prior differ"):
            refine(moments, strange, RefineSettings())
        with pytest.raises(ValueError, match="differ"):
            fuse(torch.eye(32), random_loras(ENCODER, [SHIP], LAYERS), strange, FuseSettings())
        erasure = closed_form_erasure([SHIP, DOG], moments, prior, RefineSettings())
        with pytest.raises(ValueError, match="refined erasure and the CLIP"):
            fused_erasure(other, erasure, random_loras(ENCODER, [SHIP], LAYERS), prior, FuseSettings())


def test_nothing_to_fuse():
    with pytest.raises(ValueError, match="no concept LoRAs"):
        fuse(torch.eye(32), [], None, FuseSettings())


def test_loras_of_different_models():
    [a], [b] = random_loras(ENCODER, [SHIP], LAYERS), random_loras(ENCODER, [DOG], {"k": (20, 32)})
    with pytest.raises(ValueError, match="output widths .*'k'"):
        fuse(torch.eye(32), [a, b], None, FuseSettings())


def test_a_long_list_is_fused_in_parts_with_one_factorisation(monkeypatch):
    """More concepts than are divided at once, two ranks, one without layers: as equation 7 written out."""
    concepts = [Concept(f"thing {number}", "sea") for number in range(TOGETHER + 3)]
    loras = random_loras(ENCODER, concepts, LAYERS, rank=2)
    loras[1], loras[3] = untrained_lora(ENCODER, concepts[1]), *random_loras(ENCODER, concepts[3:4], LAYERS)
    factorise, asked = torch.linalg.cholesky_ex, []
    monkeypatch.setattr(torch.linalg, "cholesky_ex", lambda B: asked.append(B) or factorise(B))
    _, low_rank = fuse(torch.eye(32), loras, None, FuseSettings(0.0, 1.0))
    assert len(asked) == 1
    N = sum(lora.C for lora in loras) + torch.eye(32, dtype=torch.float64)
    for layer in LAYERS:
        own = [lora for lora in loras if lora.low_rank]
        wanted = sum(product(lora.low_rank[layer]).double() @ lora.C for lora in own) @ torch.linalg.inv(N)
        assert relative(product(low_rank[layer]), wanted) < 1e-5  # the LoRAs are float32


def test_untrained_loras_leave_the_refinement_as_it_is(moments):
    T1 = refine(moments, None, RefineSettings(0.0, 1.0))
    untrained = [untrained_lora(ENCODER, concept) for concept in (SHIP, DOG)]
    T, edit = fuse(T1, untrained, None, FuseSettings(0.0, 1.0))
    assert relative(T, T1) < 1e-9 and not edit


def test_zero_factors_equal_no_factors(moments, prior):
    T1 = refine(moments, prior, RefineSettings())
    [ship] = random_loras(ENCODER, [SHIP], LAYERS)
    zero = replace(ship, low_rank=ship.low_rank.scaled(0.0))
    T, edit = fuse(T1, [zero], prior, FuseSettings())
    assert torch.equal(T, fuse(T1, [untrained_lora(ENCODER, SHIP)], prior, FuseSettings())[0])
    assert product(edit["k"]).abs().max() == 0


def test_fusing_a_subset_keeps_the_other_concepts_refined(moments, prior):
    """A concept without a LoRA stays erased in closed form, even though the prior counteracts it."""
    refined = closed_form_erasure([SHIP, DOG], moments, prior, RefineSettings())
    loras = random_loras(ENCODER, [SHIP], LAYERS)
    fused = fused_erasure(ENCODER, refined, loras, prior, FuseSettings())
    explicit = fuse(refined.T, [*loras, untrained_lora(ENCODER, DOG)], prior, FuseSettings())
    assert torch.equal(fused.T, explicit[0].float()) and fused.low_rank["k"][0].shape == (24, 1)
    assert fused.concepts == (SHIP, DOG)
    assert fused.settings.refine == RefineSettings() and fused.settings.fuse == FuseSettings()


def test_a_kind_that_counts_three_times_is_as_if_it_were_there_three_times(moments, prior):
    T1 = refine([moments[0], moments[1].times(3)], prior, RefineSettings())
    assert relative(T1, refine([moments[0], *[moments[1]] * 3], prior, RefineSettings())) < 1e-12
    anna = Concept("Anna Berg", "a person", "person")
    ship, person = random_loras(ENCODER, [SHIP, anna], LAYERS)
    T, edit = fuse(T1, [ship, person], prior, FuseSettings(), {"person": 3.0})
    T_thrice, thrice = fuse(T1, [ship, person, person, person], prior, FuseSettings())
    assert relative(T, T_thrice) < 1e-12 and edit["k"][0].shape == (24, 2)
    assert relative(product(edit["k"]), product(thrice["k"])) < 1e-12
    assert relative(T, fuse(T1, [ship, person], prior, FuseSettings())[0]) > 1e-3


def test_what_cannot_be_fused(moments):
    refined = closed_form_erasure([SHIP], moments[:1], None, RefineSettings())
    with pytest.raises(ValueError, match="'dog'.*not contain"):
        fused_erasure(ENCODER, refined, random_loras(ENCODER, [DOG], LAYERS), None, FuseSettings())
    with pytest.raises(ValueError, match="no concept LoRAs"):
        fused_erasure(ENCODER, refined, [], None, FuseSettings())
    fused = fused_erasure(ENCODER, refined, random_loras(ENCODER, [SHIP], LAYERS), None, FuseSettings())
    with pytest.raises(ValueError, match="already fused"):
        fused_erasure(ENCODER, fused, random_loras(ENCODER, [SHIP], LAYERS), None, FuseSettings())


def test_edited_weight(moments, prior):
    refined = closed_form_erasure([SHIP], moments[:1], prior, RefineSettings())
    loras = random_loras(ENCODER, [SHIP], LAYERS, rank=2)
    fused = fused_erasure(ENCODER, refined, loras, prior, FuseSettings())
    W = weight(32).half()
    assert edited_weight(W, "k", fused, 0.0) is W
    whole = W.float() @ fused.T + fused.low_rank["k"][0] @ fused.low_rank["k"][1]
    assert torch.allclose(edited_weight(W, "k", fused), whole, atol=1e-5)
    assert torch.allclose(edited_weight(W, "k", fused, 0.5), (W.float() + whole) / 2, atol=1e-5)
    assert torch.allclose(edited_weight(W, "elsewhere", fused), W.float() @ fused.T, atol=1e-5)
    assert edited_weight(W, "k", fused).dtype == torch.float32
    with pytest.raises(ValueError, match=r"'k' .*\[24, 31\].*\[24, 32\]"):
        edited_weight(W[:, :31], "k", fused)
    with pytest.raises(ValueError, match=r"\[23, 32\]"):
        edited_weight(W[:23], "k", fused)
    with pytest.raises(ValueError, match=r"\[any, 32\]"):
        edited_weight(W[:, :31], "k", refined)


def test_fusion_counts_no_prompt_that_names_another_concept(prior):
    fox, sepia = Concept("fox", "meadow"), Concept("sepia", "colour", "style")
    (lora,) = random_loras(ENCODER, [fox], LAYERS)
    naming = templates_naming([fox, sepia])
    assert without_prompts_of_others(ENCODER, lora, templates_naming([fox])) is lora
    told = encode_once(ENCODER, [pair.target for pair in prompt_pairs(fox, naming)])
    assert len(told) == len(prompt_pairs(fox)) - 1
    C = without_prompts_of_others(ENCODER, lora, naming).C
    assert relative(C, second_moment(each.embeddings for each in told.values())) < 1e-12
    moments = [concept_moments(ENCODER, each) for each in (fox, sepia)]
    refined = closed_form_erasure([fox, sepia], moments, prior, RefineSettings())
    fused = fused_erasure(ENCODER, refined, [lora], prior, FuseSettings())
    whole = [replace(lora, C=C), untrained_lora(ENCODER, sepia)]
    assert relative(fused.T, fuse(refined.T, whole, prior, FuseSettings())[0]) < 1e-6
    assert relative(fused.T, fuse(refined.T, [lora, whole[1]], prior, FuseSettings())[0]) > 1e-4
