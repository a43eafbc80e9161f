"""Concepts that nobody names: which ones are scored, and what is reported about them."""

import pytest

from mace_core.concepts.concepts import Concept
from mace_core.evaluation.never_named import DRAWN, Named, drawn, listed
from mace_core.evaluation.prompt_sets import Keep, everyday_vocabulary, prompt_sets
from mace_core.evaluation.scores import Drift, NeverNamed, SetScore, Verdict, summary

WORLD = everyday_vocabulary()
SHIP = Concept("ship", "sea", synonyms=("boat",))
CAT = Keep("cat", "object")


def names(found) -> set[str]:
    return {each.phrase for each in found}


def test_none_of_the_drawn_is_erased_preserved_or_in_the_prior():
    named = Named((CAT,), ("a photo of a Dog in the snow", "a car, parked"))
    everything = names(drawn(1000, (SHIP,), named, WORLD))
    assert len(everything) >= DRAWN
    assert not everything & {"ship", "boat", "sea", "cat", "dog"}
    assert "automobile" not in everything, "the prior names it by its synonym car"
    assert {"dog", "automobile"} <= names(drawn(1000, (SHIP,), Named((CAT,)), WORLD))
    assert "horse" in names(drawn(1000, (SHIP,), Named((CAT,), ("a seahorse",)), WORLD)), "a part of a word"


def test_the_draw_is_always_the_same_and_a_longer_one_contains_the_shorter():
    few, more = (drawn(count, (SHIP,), Named(), WORLD) for count in (5, 12))
    assert more[:5] == few == drawn(5, (SHIP,), Named(), WORLD)
    assert [each.phrase for each in more] != sorted(names(more)), "the order says nothing about the names"
    without = drawn(12, (SHIP,), Named((Keep(few[0].phrase, "object"),)), WORLD)
    assert without[:11] == more[1:]
    assert drawn(0, (SHIP,), Named(), WORLD) == ()


def test_beside_a_style_other_styles_and_objects_are_drawn():
    monet = Concept("Claude Monet", "art", "style")
    assert {each.kind for each in drawn(DRAWN, (monet,), Named(), WORLD)} == {"style", "object"}


def test_your_own_list_is_read_line_by_line():
    found = listed("heron # ours\nstyle: Turner\ndog", (SHIP,), Named((CAT,)), WORLD)
    assert found == (Keep("heron", "object"), Keep("Turner", "style"), Keep("dog", "object"))


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("ship", "never named and erased"),
        ("the cat", "'the cat' cannot count as never named"),
        ("snow", "'snow' cannot count as never named"),
        ("prompt: two dogs", "never named .*unknown kind 'prompt'"),
        ("style:", "never named concepts, 'style:' has no name"),
    ],
)
def test_what_somebody_names_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        listed(text, (SHIP,), Named((CAT,), ("a dog in the snow",)), WORLD)


def sets_of(never, sampled):
    return prompt_sets((SHIP,), (SHIP,), (CAT,), (1.0,), WORLD, never, sampled)


def test_drawn_concepts_get_a_quarter_of_the_images_and_listed_ones_all():
    never = (Keep("dog", "object"), Keep("heron", "object"))
    for sampled, counts in ((True, {1: 1, 4: 1, 5: 2, 20: 5}), (False, {4: 4, 20: 20})):
        sets = sets_of(never, sampled)
        assert [each.group for each in sets[-2:]] == ["never named"] * 2
        assert sets[-1].prompt == "a photo of the heron" and "heron" in sets[0].answers
        assert all(sets[-1].images_of(images) == count for images, count in counts.items())
        assert sets[0].images_of(4) == 4


def test_the_share_of_before_has_an_error_over_the_concepts():
    sets = sets_of((Keep("dog", "object"), Keep("horse", "object")), True)
    shares = dict.fromkeys(sets, (1.0, 0.0)) | {sets[-2]: (0.8, 0.4), sets[-1]: (0.8, 0.8)}
    scores = [
        SetScore(each, Verdict(was, was, 50.0), Verdict(now, now, 50.0), Drift(0.0, None))
        for each, (was, now) in shares.items()
    ]
    figures = summary(scores)
    assert figures.top1.never_named == NeverNamed(pytest.approx(0.75), pytest.approx(0.2), 2)
    assert (figures.top1.before.never, figures.top1.after.never) == (0.8, pytest.approx(0.6))
    assert figures.top1.after.acc_s == 0.0, "they do not count as preserved"
    assert figures.to_json()["top1"]["never_named"]["concepts"] == 2
    assert summary(scores[:-1]).top1.never_named.error is None
    assert summary(scores[:-2]).top1.never_named is None
