"""Long and hostile lists are answered within two seconds, with a result or one sentence."""

import time

import pytest

from mace_core.concepts.captions import captions_of_names
from mace_core.concepts.concepts import MOST_PHRASES, Concept, canonical, parse_concepts
from mace_core.concepts.lines import LONGEST, trimmed
from mace_core.evaluation.prompt_sets import everyday_vocabulary, parse_keep
from mace_core.evaluation.suggest import parse_targets

SECONDS = 2.0
BIG = 4_000_000  # characters, as many as a file of concepts can have
HOSTILE = {
    "spaces before an arrow": "a" + " " * BIG + "b -> c",
    "spaces before a bracket": "a" + " " * BIG + "(b -> c",
    "open brackets": "(" * BIG + " -> c",
    "pairs of brackets": "()" * (BIG // 2) + " -> c",
    "backslashes": "a" + "\\" * BIG + "(b) -> c",
    "arrows": "->" * (BIG // 2),
    "commas": "a," * (BIG // 2) + " -> c",
    "a colon at the end": "a" * BIG + " : b -> c",
    "no width": "a" + "\u200b" * BIG + "b -> c",
    "empty lines": "\n" * BIG,
    "comments": "#\n" * (BIG // 2),
    "sharps": "a#" * (BIG // 2) + " -> c",
    "one synonym per line": "".join(f"a (s{i}) -> c\n" for i in range(300_000)),
    "many synonyms": f"a ({', '.join(f's{i}' for i in range(500_000))}) -> c",
    "many concepts": "".join(f"t{i} -> s{i}x\n" for i in range(250_000)),
    "the same concept": "a -> c\n" * (BIG // 7),
    "ligatures": "\ufdfa" * (BIG // 3) + " -> c",
}


def answer(call, *given) -> tuple[object, float]:
    """The result, or the sentence of a ValueError, and the seconds."""
    started = time.process_time()
    try:
        result = call(*given)
    except ValueError as error:
        assert type(error) is ValueError, repr(error)
        result = str(error)
        assert result.isprintable() and len(result) < 500 and result.endswith(".")
    return result, time.process_time() - started


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("read", [parse_concepts, parse_targets, captions_of_names], ids=lambda f: f.__name__)
def test_hostile_text(read, case):
    _, seconds = answer(read, HOSTILE[case])
    assert seconds < SECONDS


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_names_to_preserve(case):
    _, seconds = answer(parse_keep, HOSTILE[case], (Concept("ship", "sea"),), everyday_vocabulary())
    assert seconds < SECONDS


def test_as_many_concepts_as_a_list_can_have():
    lines = [f"thing {i} (name {i}) -> a room" for i in range(MOST_PHRASES // 2)]
    concepts, seconds = answer(parse_concepts, "\n".join(lines))
    assert len(concepts) == MOST_PHRASES // 2 and seconds < SECONDS
    said, _ = answer(parse_concepts, "\n".join([*lines, "one more -> a room"]))
    assert f"more than {MOST_PHRASES} targets and synonyms" in said


def test_one_target_with_as_many_synonyms():
    """Each line adds one; together they are one concept."""
    lines = [f"thing (name {i}) -> a room" for i in range(MOST_PHRASES // 2)]
    (concept,), seconds = answer(parse_concepts, "\n".join(lines))
    assert len(concept.synonyms) == MOST_PHRASES // 2 and seconds < SECONDS


def test_as_many_names_to_preserve():
    captions, seconds = answer(captions_of_names, "\n".join(f"thing {i}" for i in range(10_000)))
    assert len(captions["object"]) > 200_000 and seconds < SECONDS


@pytest.mark.parametrize("phrase", ["x" * (LONGEST + 1), "a\0b", "a\x1bb", "\ud800", "a\x85b\x80"])
@pytest.mark.parametrize("place", ["target", "surrogate", "synonym"])
def test_what_is_no_name(phrase, place):
    with pytest.raises(ValueError, match=r"contains U\+|characters, but can have") as error:
        if place == "target":
            Concept(phrase, "sea")
        elif place == "surrogate":
            Concept("ship", phrase)
        else:
            Concept("ship", "sea", synonyms=(phrase,))
    assert str(error.value).isprintable() and len(str(error.value)) < 250


def test_the_longest_name():
    assert Concept("x" * LONGEST, "sea").target == "x" * LONGEST


@pytest.mark.parametrize(
    "text, read",
    [
        ("a\u200b", "a"),
        ("\u200ba", "a"),
        ("a\u200b\u200b b", "a b"),
        ("a\u200bb", "a\u200bb"),
        ("\u200b\u200b", ""),
        ("a\u200b: b", "a: b"),
    ],
)
def test_no_width_at_the_ends_of_words(text, read):
    assert trimmed(text) == read


def test_synonyms_in_brackets_after_any_space():
    for spaces in ("", " ", "   "):
        assert parse_concepts(f"ship{spaces}(boat, a \\(x\\)) -> sea")[0].synonyms == ("boat", "a (x)")
    assert canonical("the  SHIP") == "ship"
