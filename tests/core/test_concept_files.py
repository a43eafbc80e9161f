"""Concept lists in files: all formats give the same result, and errors name the line."""

import pytest

from mace_core.concepts.concept_files import LARGEST, read_concepts
from mace_core.concepts.concepts import Concept

SAME = (Concept("ship", "the sea", "object", ("boat", "a vessel")), Concept("Van Gogh", "art", "style"))
CSV = 'target,surrogate,kind,synonyms\nship,the sea,,"boat, a vessel"\n\n# artists\nVan Gogh,art,style,\n'
JSON = """[
  {"target": "ship", "surrogate": "the sea", "synonyms": ["boat", "a vessel"]},

  {"target": "Van Gogh", "surrogate": "art", "kind": "style"}
]"""
YAML = """# a list
- {target: ship, surrogate: the sea, synonyms: [boat, a vessel]}
- target: Van Gogh
  surrogate: art
  kind: Style
"""
FILES = {
    "list.csv": CSV,
    "LIST.CSV": "\ufeff" + CSV.replace("\n", "\r\n"),
    "semicolons.csv": 'Target;Surrogate;Synonyms;Kind\nship;the sea;"boat; a vessel"\nVan Gogh;art;;style',
    "tabs.csv": "surrogate\ttarget\tkind\tsynonyms\nthe sea\tship\t\tboat, a vessel\nart\tVan Gogh\tstyle",
    "list.json": JSON,
    "list.yaml": YAML,
    "list.yml": YAML,
    "list.txt": "ship (boat, a vessel) -> the sea\nstyle: Van Gogh -> art",
}


@pytest.mark.parametrize("name", FILES)
def test_all_formats_say_the_same(name):
    assert read_concepts(FILES[name].encode(), name) == SAME


def test_the_kind_of_entries_without_one():
    first, second = read_concepts(CSV.encode(), "list.csv", kind="explicit")
    assert (first.kind, second.kind) == ("explicit", "style")


def test_hundreds_of_entries_and_the_same_twice():
    rows = "".join(f"thing {i},a room\n" for i in range(500))
    found = read_concepts(f"target,surrogate\n{rows}Thing 7,a room\n".encode(), "list.csv")
    assert len(found) == 500 and found[499].target == "thing 499"


WRONG = {
    "header alone.csv": ("target,surrogate\n", "empty"),
    "no header.csv": ("ship,sea\ndog,ground", "line 2 .*unknown field 'ship'"),
    "no surrogate.csv": ("target,surrogate\nship,\n", "line 2 .*no surrogate"),
    "no target.csv": ("target,surrogate\nship,sea\n ,sea\n", "line 3 .*no target"),
    "too many.csv": ("target,surrogate\nship,sea,boat,vessel\n", "line 2 .*4 cells"),
    "kind.csv": ("target,surrogate,kind\nship,sea,thing\n", "line 2 .*unknown kind 'thing'"),
    "twice.csv": ("target,surrogate\nship,sea\ncat,sea\nship,sky", "line 2 and line 4"),
    "itself.csv": ("target,surrogate\nship,sea\ncat,a cat", "Line 3.*'cat' is its own surrogate"),
    "broken.json": ('[\n{"target": "ship",\n "surrogate" "sea"}]', "line 3 .*not JSON"),
    "no list.json": ('{"target": "ship"}', "start a list"),
    "number.json": ('[{"target": "ship", "surrogate": 7}]', "line 1 .*7 .*surrogate"),
    "numbers.json": ('[{"target": "a", "surrogate": "b", "synonyms": [7]}]', "line 1 .*7 .*synonyms"),
    "deep.json": ("[" * 100_000, "nested"),
    "lines.json": ('[\n"ship -> sea"]', "line 2 .*fields"),
    "field.yaml": ("- target: ship\n  surrogate: sea\n- traget: cat", "line 3 .*unknown field 'tra"),
    "broken.yaml": ("- target: ship\n  surrogate: [sea", "line 2 .*not YAML"),
    "no list.yaml": ("target: ship", "start a list"),
    "norway.yaml": ("- target: ship\n  surrogate: no", "line 2 .*has no as its surrogate"),
    "code.yaml": ("- !!python/object/apply:os.getcwd []", "line 1 .*not YAML"),
    "empty.yaml": ("", "start a list"),
    "line.txt": ("ship -> sea\ndog", "Line 2 'dog'"),
    "list.xlsx": ("PK", "extension"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_said_in_one_sentence(name):
    text, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as error:
        read_concepts(text.encode(), name)
    assert name in str(error.value) and "\n" not in str(error.value) and str(error.value).endswith(".")


def test_other_encodings_and_other_sizes():
    with pytest.raises(ValueError, match="not UTF-8"):
        read_concepts("target,surrogate\nch\u00e2teau,house".encode("latin-1"), "list.csv")
    with pytest.raises(ValueError, match="4 MB"):
        read_concepts(b"#" * (LARGEST + 1), "list.txt")


@pytest.mark.parametrize(
    "name, text",
    [
        (
            "a.csv",
            'target,surrogate,synonyms\n"Sammy Davis, Jr.",a person,"Sam\\, the man; artist \\(x\\)"\n',
        ),
        (
            "a.json",
            '[{"target": "Sammy Davis, Jr.\u200b", "surrogate": "a person\ufeff", '
            '"synonyms": ["Sam, the man", "artist (x)"]}]',
        ),
        (
            "a.yaml",
            "- target: 'Sammy Davis, Jr.'\n  surrogate: a person\n"
            "  synonyms: ['Sam, the man', 'artist \\(x\\)']",
        ),
        ("a.txt", "Sammy Davis\\, Jr. (Sam\\, the man, artist \\(x\\)) -> a person"),
    ],
)
def test_exact_names(name, text):
    expected = Concept("Sammy Davis, Jr.", "a person", synonyms=("Sam, the man", "artist (x)"))
    assert read_concepts(text.encode(), name) == (expected,)


def test_a_surrogate_that_contains_its_target_is_named_with_its_line():
    with pytest.raises(ValueError, match="^In 'a.csv': Line 3: .*'a big dog' contains 'dog'"):
        read_concepts(b"target,surrogate\nship,sea\ndog,a big dog\n", "a.csv")
