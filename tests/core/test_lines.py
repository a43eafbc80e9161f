"""One grammar reads every list that users type: comments, arrows and kinds."""

import pytest

from mace_core.attacks.probes import own_prompts
from mace_core.concepts.caption_files import read_captions
from mace_core.concepts.captions import captions_of_names
from mace_core.concepts.concepts import Concept, parse_concepts
from mace_core.concepts.lines import items, numbered, prefixed, sides
from mace_core.evaluation.prompt_sets import everyday_vocabulary, parse_keep
from mace_core.evaluation.suggest import UNDECIDED, parse_targets

SHIP = Concept("ship", "sea")


def kept(text: str) -> list[str]:
    return [each.phrase for each in parse_keep(text, (SHIP,), everyday_vocabulary())]


def names(text: str) -> list[str]:
    """The name in the first prompt of each entry, "a photo of the NAME"."""
    return [
        each.rpartition("a photo of the ")[2]
        for each in captions_of_names(text).get("object", ())
        if each.startswith("a photo of the ")
    ]


READERS = {
    "concepts": lambda text: [
        each.target for each in parse_concepts("".join(f"{line} -> sea\n" for line in text.splitlines()))
    ],
    "suggest": lambda text: [each.target for each in parse_targets(text)],
    "keep": kept,
    "own prompts": lambda text: list(own_prompts(text, (SHIP,))["ship"]),
    "names": names,
    "captions": lambda text: list(read_captions(text.encode(), "a.txt")),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_sharp_inside_a_word_is_part_of_it(reader):
    assert reader("C# logo\nF#") == ["C# logo", "F#"]


@pytest.mark.parametrize("name", set(READERS) - {"concepts"})
@pytest.mark.parametrize(
    "text", ["horse # my own", "# all of them\nhorse", "  horse\t#x\n\n#", "#\n \nhorse"]
)
def test_comments_are_no_part_of_a_name(name, text):
    assert READERS[name](text) == ["horse"]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u200d"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_characters_without_width_are_no_part_of_a_name(reader, unseen):
    assert reader(f"{unseen}Ann{unseen} {unseen}Lee{unseen} ") == ["Ann Lee"]


@pytest.mark.parametrize("name", ["concepts", "suggest", "keep", "names"])
def test_escaped_brackets_are_literal(name):
    assert READERS[name](r"artist \(series\)") == ["artist (series)"]


def test_what_is_used_as_it_is_keeps_its_backslashes():
    assert kept(r"prompt: a \(b\)") == [r"a \(b\)"]
    assert READERS["captions"](r"a \(b\)") == READERS["own prompts"](r"a \(b\)") == [r"a \(b\)"]


def test_escaped_names_find_their_concept():
    artist = Concept("artist (series)", "art", "style")
    assert own_prompts("artist \\(series\\): a fan's poster", (artist,)) == {
        artist.target: ("a fan's poster",)
    }
    for name in (r"artist \(series\)", "artist (series)"):
        with pytest.raises(ValueError, match="preserved and erased"):
            parse_keep(name, (artist,), everyday_vocabulary())


def test_comments_in_concepts_and_synonyms():
    (ship,) = parse_concepts("# mine\nship -> sea # large ones\n", synonyms="# more\nboat, vessel # of wood")
    assert (ship.target, ship.surrogate, ship.synonyms) == ("ship", "sea", ("boat", "vessel"))


@pytest.mark.parametrize("arrow", ["->", "=>", "\u2192"])
def test_any_arrow_separates(arrow):
    line = f"style: Monet {arrow} art"
    assert parse_targets(f"{line}\ncat") == (
        Concept("Monet", "art", "style"),
        Concept("cat", UNDECIDED),
    )
    assert parse_concepts(line) == (Concept("Monet", "art", "style"),)
    assert sides(line) == ["style: Monet", "art"] and sides("ship") == ["ship"]


def test_line_numbers_count_every_line():
    assert list(numbered("a\n\n# b\n c ")) == [(1, "a"), (4, "c")] and items("a\n#\nb") == ["a", "b"]


def test_a_kind_is_one_word():
    assert prefixed("STYLE : Monet", ("style",), "object") == ("style", "Monet")
    assert prefixed("Star Wars: A New Hope", ("style",), "object") == ("object", "Star Wars: A New Hope")
    assert kept("Star Wars: A New Hope") == ["Star Wars: A New Hope"]
    with pytest.raises(ValueError, match="Line 3 'colour: red' .*unknown kind"):
        prefixed("colour: red", ("style",), "object", "Line 3 ")
