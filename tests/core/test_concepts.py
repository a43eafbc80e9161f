"""Parsing concepts, and the one-sentence errors for lists that cannot be parsed."""

import pytest

from mace_core.concepts.concepts import Concept, canonical, parse_concepts, written
from mace_core.evaluation.suggest import parse_targets


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
    "line, target, synonyms",
    [
        ("Robert Downey Jr.", "Robert Downey Jr.", ()),
        ("N.W.A.", "N.W.A.", ()),
        ("Yahoo!", "Yahoo!", ()),
        ("\U0001f6a2", "\U0001f6a2", ()),
        ("\U0001f468\u200d\U0001f467", "\U0001f468\u200d\U0001f467", ()),
        ("ship (cat)", "ship", ("cat",)),
        (r"artist \(series\)", "artist (series)", ()),
        (r"artist \(series\) (painter \(films\), AKA)", "artist (series)", ("painter (films)", "AKA")),
        (r"Sammy Davis\, Jr. (Sam\, the man, Sammy)", "Sammy Davis, Jr.", ("Sam, the man", "Sammy")),
        (r"AC\DC", r"AC\DC", ()),
        ("ship ()", "ship", ()),
    ],
)
def test_names_people_really_use(line, target, synonyms):
    (concept,) = parse_concepts(f"{line} -> sea")
    assert (concept.target, concept.synonyms) == (target, synonyms)
    assert parse_concepts(f"{written(concept)} -> sea") == (concept,)


def test_brackets_in_a_surrogate_are_part_of_it():
    assert parse_concepts(r"ship -> sea \(blue\)") == parse_concepts("ship -> sea (blue)")
    assert parse_concepts("ship -> sea (blue), calm")[0].surrogate == "sea (blue), calm"


def test_escaped_names_in_the_synonyms():
    ship, artist = parse_concepts(
        "ship -> sea\n" + r"artist \(series\) -> art",
        synonyms=r"ship: boat \(big\)" + "\nartist \\(series\\): x",
    )
    assert ship.synonyms == ("boat (big)",) and artist.synonyms == ("x",)


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\u200d", "\u200c", "\ufeff", "\u2060", "\u200e", "\u202c", "\u00ad"]
)
def test_characters_without_width_are_no_part_of_a_name(unseen):
    text = "{0}style{0}:{0} Van{0} Gogh{0} ({0}Vincent{0},{0}van gogh) {0}->{0} art{0}".replace("{0}", unseen)
    assert parse_concepts(text) == (Concept("Van Gogh", "art", "style", ("Vincent",)),)
    assert canonical(f"{unseen}the {unseen}Ship{unseen}") == "ship"
    with pytest.raises(ValueError, match="empty"):
        parse_concepts(f"{unseen}# a comment\n{unseen}")


def test_joiners_inside_an_emoji_stay():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert parse_concepts(f"{family}\u200b -> sea")[0].target == canonical(family) == family
    assert canonical("sh\u200bip") == "ship"


@pytest.mark.parametrize(
    "line, said",
    [
        ("ship, boat", r"'ship \(boat\)' .*'ship\\, boat'"),
        ("object: ship, boat (vessel)", r"'ship \(boat, vessel\)'"),
        ("Sammy Davis, Jr.", r"'Sammy Davis\\, Jr\.'"),
        ("ship,", r"'ship', or 'ship\\,'"),
        ("ship (boat", r"'ship \\\(boat'"),
        ("ship (boat) big", r"bracket"),
        ("ship (boat (big))", r"bracket"),
        (":)", r"':\\\)'"),
    ],
)
def test_what_is_no_single_name_is_answered(line, said):
    with pytest.raises(ValueError, match=said) as error:
        parse_concepts(f"dog -> ground\n{line} -> sea")
    assert one_sentence(error).startswith("Line 2 ")
    with pytest.raises(ValueError, match=said):
        parse_targets(f"dog\n{line}")


@pytest.mark.parametrize(
    "line, found",
    [
        ("ship -> a big ship", "ship"),
        ("a Ship -> SHIP, at sea", "ship"),
        ("ship (boat) -> a small boat", "boat"),
        ("ship -> the ship's wake", "ship"),
        ("\U0001f6a2 -> a big \U0001f6a2", "\U0001f6a2"),
        ("C# -> a song in C# minor", "c#"),
    ],
)
def test_a_surrogate_that_contains_its_target(line, found):
    with pytest.raises(ValueError, match=f"(?i)contains '(a )?{found}'") as error:
        parse_concepts(line)
    assert one_sentence(error).startswith("Line 1: ") and "another surrogate" in str(error.value)


def test_a_surrogate_that_contains_a_synonym_given_beside_the_list():
    with pytest.raises(ValueError, match="contains 'boat'"):
        parse_concepts("ship -> a small boat", synonyms="boat")


@pytest.mark.parametrize("line", ["cat -> caterpillar", "ship -> shipyard", "big ship -> a big old ship"])
def test_a_word_that_only_looks_alike_is_a_surrogate(line):
    assert len(parse_concepts(line)) == 1


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
