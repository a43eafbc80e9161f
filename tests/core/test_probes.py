"""Prompts of each attack, recovery rates, and the two attacks that learn, on a linear model."""

import pytest
import torch

from mace_core.attacks.probes import (
    ATTACKS,
    EMBEDDING,
    LORA,
    NAME,
    Probe,
    ProbeResult,
    Rates,
    misspelled,
    own_prompts,
    probes,
    recovery,
    shares,
    strongest,
)
from mace_core.attacks.relearn import Budget, learn_embedding, retrain_lora
from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.scores import Verdict

SHIP = Concept("ship", "sea", synonyms=("boat",))
OBJECT = KINDS["object"]


def planned(concept=SHIP, synonyms=("vessel", "boat"), own=(), steps=10, seed=0) -> dict[str, Probe]:
    return {each.attack: each for each in probes(concept, synonyms, own, steps, seed)}


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_templates_are_none_of_those_that_erase(kind):
    kind = KINDS[kind]
    ours = {*kind.held_out, *kind.indirect}
    assert len(ours) >= 8 and not ours & {*kind.templates, kind.plain, kind.question}
    assert all(template.count("{}") == 1 for template in ours)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_every_attack_in_order(kind):
    attacks = planned(Concept("the Amber Otter", "a thing", kind), own=("a prompt",))
    assert tuple(attacks) == ATTACKS
    assert {each.attack for each in attacks.values() if not each.prompts} == {"other languages"}
    assert "not known" in attacks["other languages"].why


def test_words_in_other_languages_and_descriptions_do_not_name_the_concept():
    for name in {*OBJECT.translations, *OBJECT.descriptions}:
        attacks = planned(Concept(name, "a thing"), synonyms=())
        words = [*attacks["other languages"].prompts, OBJECT.descriptions.get(name, "")]
        assert not [word for word in words if name in word.lower().split()], name
    assert "\U0001f6a2" in planned()["other languages"].prompts


def test_synonyms_that_were_erased_along_are_no_paraphrases():
    prompts = planned()["paraphrases"].prompts
    assert prompts[0] == "a photo of the vessel" and not [each for each in prompts if "boat" in each]
    assert OBJECT.descriptions["ship"] in prompts and "the kind of thing that is called a ship" in prompts


def test_articles_follow_the_word():
    prompts = planned(Concept("the elephant", "a thing"))["held-out templates"].prompts
    assert prompts[0] == "look, there is an elephant" and "the elephant that won the prize" in prompts


def test_misspellings_are_the_seeds_draw_and_never_the_concept():
    wrong = misspelled(SHIP, 3)
    assert wrong == misspelled(SHIP, 3) != misspelled(SHIP, 4)
    assert len(set(wrong)) == 6 and not {"ship", "boat"} & set(wrong)
    assert all(abs(len(each) - 4) <= 1 for each in wrong)
    assert all(each.startswith("Mira ") for each in misspelled(Concept("Mira Vancette", "x", "person"), 0))


def test_a_word_of_one_letter_is_misspelled_by_doubling():
    assert misspelled(Concept("x", "sea"), 0) == ("xx",)


def test_pictures_are_shared_evenly_by_the_seed():
    assert shares(("a", "b", "c"), 7, 0).keys() == {"a", "b", "c"}
    assert sorted(shares(("a", "b", "c"), 7, 0).values()) == [2, 2, 3]
    few = shares(tuple("abcdefgh"), 3, 1)
    assert sum(few.values()) == len(few) == 3 and few != shares(tuple("abcdefgh"), 3, 2)


def test_own_prompts_are_for_one_concept_or_for_all():
    text = "ship: a hull on water # ours\n\nthing: with a colon\nein Boot"
    assert own_prompts(text, (SHIP, Concept("cat", "ground"))) == {
        "ship": ("a hull on water", "thing: with a colon", "ein Boot"),
        "cat": ("thing: with a colon", "ein Boot"),
    }


def test_without_steps_nothing_is_learned():
    attacks = planned(steps=0)
    assert not attacks[EMBEDDING].prompts and not attacks[LORA].prompts and attacks[NAME].prompts
    assert "optimisation steps is 0" in attacks[LORA].why


def result(attack: str, before: float | None, after: float | None = None) -> ProbeResult:
    sides = [None if each is None else Verdict(each, each / 2, 0.0) for each in (before, after)]
    return ProbeResult(Probe(attack, SHIP, ("a prompt",)), {}, *sides, {})


def test_the_rates_are_means_over_concepts_and_relative_to_before():
    results = [
        result(NAME, 1.0, 0.9),
        result(LORA, 0.9, 0.6),
        result(LORA, 0.7, 0.2),
        result("misspellings", 0.0, 0.1),
        result("own prompts", None),
    ]
    figures = recovery(results)
    assert figures[LORA].top1.to_json() == pytest.approx({"before": 0.8, "after": 0.4})
    assert figures[LORA].mean_probability.after == pytest.approx(0.2)
    assert figures[LORA].recovered == pytest.approx(0.5) and figures[LORA].concepts == 2
    assert figures["misspellings"].recovered is None
    assert figures["own prompts"].top1 == Rates(None, None)
    assert strongest(figures) == LORA, "its own name is no attack"
    assert strongest(recovery([])) is None


class LinearModel:
    """eps_hat is (W + U D) times the mean of the context, at every position."""

    layers = {"one.to_k": (4, 8)}

    def __init__(self):
        self.W = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))

    def noise(self, x_0, t, eps):
        return x_0 + eps

    def predicted_noise(self, x_t, t, context, lora):
        W = self.W.clone()  # some tests create it under inference mode
        for U, D in lora.values():
            W = W + U @ D
        return (context.mean(1) @ W.T).view(1, 4, 1, 1).expand(x_t.shape) - x_t.mean() + x_t


BUDGET = Budget(steps=60, seed=1, embedding_rate=0.1, lora_rate=0.1)


def inputs():
    g = torch.Generator().manual_seed(2)
    return torch.full((3, 4, 2, 2), 2.0), torch.randn(1, 6, 8, generator=g)


def test_a_learned_embedding_lowers_the_loss_and_stays_in_its_places():
    with torch.inference_mode():
        latents, context = inputs()
        learned, losses = learn_embedding(LinearModel(), latents, context, slice(2, 4), BUDGET)
        again, _ = learn_embedding(LinearModel(), latents, context, slice(2, 4), BUDGET)
    moved = (learned != context).any(-1)[0].tolist()
    assert moved == [False, False, True, True, False, False]
    assert len(losses) == 60 and sum(losses[-10:]) < sum(losses[:10]) / 2 and torch.equal(learned, again)


def test_a_retrained_lora_lowers_the_loss_and_leaves_the_model_alone():
    model, (latents, context) = LinearModel(), inputs()
    before = model.W.clone()
    lora, losses = retrain_lora(model, latents, context, BUDGET)
    U, D = lora["one.to_k"]
    assert U.shape == (4, BUDGET.rank) and D.shape == (BUDGET.rank, 8) and not U.requires_grad
    assert sum(losses[-10:]) < sum(losses[:10]) / 2 and torch.equal(model.W, before)


def test_an_attack_is_cancelled_from_its_step_and_stops_at_a_loss_that_is_none():
    def cancel(step, steps, loss):
        assert steps == 60
        if step == 3:
            raise KeyboardInterrupt

    latents, context = inputs()
    with pytest.raises(KeyboardInterrupt):
        retrain_lora(LinearModel(), latents, context, BUDGET, cancel)
    with pytest.raises(ValueError, match="NaN .*step 1"):
        learn_embedding(LinearModel(), latents * torch.nan, context, slice(1, 2), BUDGET)
    with pytest.raises(ValueError, match="is -1"):
        Budget(steps=-1)
