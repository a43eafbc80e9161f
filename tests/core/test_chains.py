"""Surrogates that are erased too, and the lists that come with the pack."""

import pytest

from mace_core.concepts.chains import followed
from mace_core.concepts.concepts import Concept, parse_concepts
from mace_core.concepts.ready_lists import EXPLICIT, LISTS
from mace_core.presets import own_train_settings
from mace_core.training.settings import TrainSettings


def ends(lines: str) -> dict[str, str]:
    return {concept.target: concept.surrogate for concept in followed(parse_concepts(lines))[0]}


def test_a_surrogate_that_is_erased_too_gives_way_to_its_own():
    concepts, notes = followed(parse_concepts("cat (kitten) -> a dog\ndog -> ground"))
    assert concepts == (Concept("cat", "ground", "object", ("kitten",)), Concept("dog", "ground"))
    assert notes == ["The surrogate of 'cat', 'a dog', is erased too, so it gives way to 'ground'."]


def test_a_chain_is_followed_to_its_end_in_any_order():
    assert ends("c -> the d\na -> B\nperson: b -> c\nd -> sky\nx -> tree") == {
        "c": "sky",
        "a": "sky",
        "b": "sky",
        "d": "sky",
        "x": "tree",
    }


def test_a_surrogate_that_is_a_synonym_of_another_target_is_followed():
    assert ends("cat -> a puppy\ndog (puppy) -> ground")["cat"] == "ground"


def test_a_list_without_a_chain_is_the_same_object_and_says_nothing():
    concepts = parse_concepts("cat -> sea\ndog -> ground")
    assert followed(concepts) == (concepts, [])
    assert followed(concepts)[0] is concepts


@pytest.mark.parametrize(
    "lines", ["a -> b\nb -> a", "a -> b\nb -> c\nc -> the A", "x -> a\na -> b\nb -> a", "a (z) -> b\nb -> z"]
)
def test_a_circle_is_refused_in_one_sentence(lines):
    with pytest.raises(ValueError, match="lead back to 'a'|lead back to 'b'") as error:
        followed(parse_concepts(lines))
    assert str(error.value).endswith("): change one of them.") and "\n" not in str(error.value)


def test_an_end_that_contains_the_target_is_refused():
    with pytest.raises(ValueError, match="contains 'cat'"):
        followed(parse_concepts("cat -> dog\ndog -> a cat toy"))


def test_a_surrogate_that_names_an_erased_concept_among_other_words_is_told():
    concepts, notes = followed(parse_concepts("cat -> a big dog\ndog -> ground"))
    assert [concept.surrogate for concept in concepts] == ["a big dog", "ground"]
    assert notes == [
        "The surrogate of 'cat', 'a big dog', names 'dog', which is erased too: choose another one."
    ]


def test_a_long_chain_and_a_long_list_take_no_time():
    lines = "\n".join(f"n{i} -> n{i + 1}" for i in range(5000))
    concepts, notes = followed(parse_concepts(lines))
    assert {concept.surrogate for concept in concepts} == {"n5000"}
    assert len(notes) == 4 and notes[-1] == "The same is true of 4996 more."


def test_the_papers_four_words_come_with_the_pack():
    concepts = LISTS[EXPLICIT]
    assert [concept.target for concept in concepts] == ["nudity", "naked", "erotic", "sexual"]
    assert {concept.kind for concept in concepts} == {"explicit"}
    assert followed(concepts) == (concepts, [])


def test_focal_sampling_is_off_for_explicit_concepts():
    concepts = (*LISTS[EXPLICIT], Concept("ship", "sea"))
    for wanted in (True, False):
        settings = own_train_settings(concepts, TrainSettings(seed=3, cfis=wanted))
        assert [each.cfis for each in settings] == [False] * 4 + [wanted]
        assert {each.seed for each in settings} == {3}
