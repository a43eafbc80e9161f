"""Parsing concepts, and the one-sentence errors for lists that cannot be parsed."""

import pytest

from mace_core.concepts.concepts import Concept, parse_concepts


def one_sentence(error):
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and ": " in text  # "what is wrong: what to do."
    return text


def test_one_line():
    assert parse_concepts("ship -> sea") == (Concept("ship", "sea"),)


@pytest.mark.parametrize("line", ["ship -> sea", "ship=>sea", "ship \u2192 sea", " ship  ->  sea  # far out"])
def test_arrows_spaces_and_comments(line):
    assert parse_concepts(f"# objects\n\n{line}\n") == (Concept("ship", "sea"),)


def test_synonyms_in_brackets_and_kind_prefix():
    parsed = parse_concepts(
        "ship (boat, a vessel) -> the sea\nstyle: Van Gogh -> art\nPerson: Jo Doe -> a person"
    )
    assert parsed == (
        Concept("ship", "the sea", "object", ("boat", "a vessel")),
        Concept("Van Gogh", "art", "style"),
        Concept("Jo Doe", "a person", "person"),
    )


def test_synonyms_beside_the_list():
    assert parse_concepts("ship -> sea", synonyms="boat, vessel")[0].synonyms == ("boat", "vessel")
    ship, dog = parse_concepts("ship (boat) -> sea\ndog -> ground", synonyms="ship: vessel, boat\ndog: hound")
    assert ship.synonyms == ("boat", "vessel") and dog.synonyms == ("hound",)


def test_kind_of_all_lines():
    assert parse_concepts("Monet -> art\nobject: ship -> sea", kind="style")[0].kind == "style"
    assert parse_concepts("Monet -> art\nobject: ship -> sea", kind="style")[1].kind == "object"


def test_the_same_twice_is_merged():
    parsed = parse_concepts("ship -> sea\nthe Ship (boat, ship) -> the sea\ndog -> ground")
    assert parsed == (Concept("ship", "sea", synonyms=("boat",)), Concept("dog", "ground"))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty"),
        ("  \n# nothing here\n", "empty"),
        ("dog -> ground\nship", "Line 2 'ship'"),
        ("ship ->", "Line 1 'ship ->'"),
        ("-> sea", "one surrogate"),
        ("ship -> boat -> sea", "one surrogate"),
        ("ship -> sea\nship -> sky", "'ship' has two surrogates"),
        ("ship (boat) -> sea\nboat -> sky", "'boat' has two surrogates"),
        ("ship -> sea\nstyle: ship -> sea", "'ship' has two kinds"),
        ("ship -> the Ship", "'ship' is its own surrogate"),
        ("ship (sea) -> sea", "'sea' is its own surrogate"),
        ("colour: red -> blue", "unknown kind 'colour'"),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=".") as error:
        parse_concepts(text)
    assert message in one_sentence(error)


def test_synonyms_without_a_home():
    with pytest.raises(ValueError, match="which of 2 concepts"):
        parse_concepts("ship -> sea\ndog -> ground", synonyms="boat")
    with pytest.raises(ValueError, match="'cat'.*not in the list"):
        parse_concepts("ship -> sea", synonyms="cat: kitty")


def test_unknown_kind_of_all_lines():
    with pytest.raises(ValueError, match="object, person, style, explicit"):
        parse_concepts("ship -> sea", kind="thing")
