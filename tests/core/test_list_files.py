"""Lists and captions in files: one reader of tables, and bad files are answered soon, in one sentence."""

import time
import tracemalloc

import pytest
import yaml

from mace_core.concepts.caption_files import numbered_captions, read_captions
from mace_core.concepts.concept_files import LARGEST, read_concepts
from mace_core.concepts.concepts import Concept
from mace_core.files.bounded import read_bounded

SHIP = (Concept("ship", "sea", synonyms=("boat",)), Concept("cat", "dog"))
TABLES = {
    "comma": "target,surrogate,synonyms\nship,sea,boat\ncat,dog,\n",
    "semicolon": "target;surrogate;synonyms\nship;sea;boat\ncat;dog;\n",
    "tab": "target\tsurrogate\tsynonyms\nship\tsea\tboat\ncat\tdog\t\n",
    "sep=": "sep=;\ntarget;surrogate;synonyms\nship;sea;boat\ncat;dog;\n",
    '"SEP="': '"SEP=|"\r\ntarget|surrogate|synonyms\r\nship|sea|boat\r\ncat|dog|\r\n',
    "old Mac": "target,surrogate,synonyms\rship,sea,boat\rcat,dog,\r",
    "quotes": '"target";"surrogate";"syno,nyms"\n'.replace("syno,nyms", "synonyms")
    + 'ship;"sea";boat\ncat;dog;',
    "comments": "# a, b, c, d\n\ntarget;surrogate;synonyms\n# x\nship;sea;boat\n #y\ncat;dog;\n",
}
CAPTIONS = {name: text.replace("target", "caption") for name, text in TABLES.items()}


@pytest.mark.parametrize("name", TABLES)
def test_one_reader_of_tables(name):
    assert read_concepts(TABLES[name].encode(), "a.csv") == SHIP
    assert read_captions(CAPTIONS[name].encode(), "a.csv") == ("ship", "cat")


def test_comments_are_no_captions():
    for name in ("a.txt", "a.csv"):
        assert read_captions(b"# my own\na cat\n  # more\na dog", name) == ("a cat", "a dog")


def test_lines_count_from_the_top_of_the_file():
    text = 'sep=;\n# x\ncaption\n"a\nb"\nc\n'
    assert list(numbered_captions(text.encode(), "a.csv")) == [(4, "a\nb"), (6, "c")]


CELL = "x" * 140_000
WRONG = {
    "a.csv": [
        ('target,surrogate\nship,"sea\ncat,dog\n', "line 2 has a quote that is not closed"),
        ('target,surrogate\nship,"sea\ncat,dog\nhorse,"cow"\n', "line 2 has a quote that is not closed"),
        ('target,surrogate\nship,"sea\ncat,dog"\nhorse,cow\n', "line 2 has a cell of too many lines"),
        (f"target,surrogate\nship,{CELL}\n", "line 2 has a cell of more than 131072 characters"),
        ("target,surrogate,target\nship,sea,cat\n", "line 1 has the field 'target' twice"),
        ("target,surrogate\nship\x00,sea\n", r"line 2 contains U\+0000"),
        ("target,surrogate\nship,a\x1b[31m sea\n", r"line 2 contains U\+001B"),
    ],
    "a.json": [
        ('[{"target": "ship", "target": "cat", "surrogate": "sea"}]', "line 1 has the field 'target' twice"),
        ('[{"target": "ship", "surrogate": "sea"} {}]', "line 1 is not JSON"),
        ('[{"target": "ship", "surrogate": "sea"},]', "line 1 is not JSON"),
        ('[{"target": "ship", "surrogate": "sea"}]\n[]', "line 1 is not JSON .*after the list"),
        (f'[{{"target": "a", "surrogate": {"7" * 5000}}}]', "line 1 has inf as its surrogate"),
        ('[{"target": "a\\u0000", "surrogate": "b"}]', r"contains U\+0000"),
        ('[{"target": "a\\ud800", "surrogate": "b"}]', r"contains U\+D800"),
        ("[", "line 1 is not JSON"),
    ],
    "a.yaml": [
        ("- &a {target: ship, surrogate: sea}\n- *a", "line 1 has the anchor or alias 'a'"),
        ("- {target: ship, surrogate: sea}\n- *a", "line 2 has the anchor or alias 'a'"),
        ("- <<: {target: ship}\n  surrogate: sea", "line 1 .*(nested|<<)"),
        ("- {target: ship, <<: [], surrogate: sea}", "line 1 has << as its field"),
        ("- {target: ship, target: cat, surrogate: sea}", "line 1 has the field 'target' twice"),
        ("- {target: ship, surrogate: !!float sea}", "line 1 .*tag 'tag:yaml.org,2002:float'"),
        ("- {target: ship, surrogate: 2024-99-99}", "2024-99-99 as its surrogate"),
        ("- {target: ship, surrogate: [[sea]]}", "line 1 is nested too deeply"),
        ("- {target: ship, surrogate: sea}\n---\n- {}", "line 2 starts a second document"),
        ("- {? {a: b} : c}", "line 1 is nested too deeply"),
        ('- {target: "a\\0", surrogate: sea}', r"contains U\+0000"),
    ],
}
CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize("fast", [True, False], ids=["libyaml", "pure"])
@pytest.mark.parametrize("name, text, said", CASES)
def test_bad_lists(name, text, said, fast, monkeypatch):
    if not fast:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(ValueError, match=said) as error:
        read_concepts(text.encode(), name)
    told = str(error.value)
    assert told.startswith(f"In '{name}': ") and told.isprintable() and len(told) < 300 and told.endswith(".")


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("a.csv", 'caption\n"a cat\na dog\n', "line 2 has a quote that is not closed"),
        ("a.csv", 'caption\n"a cat\n' + "a dog\n" * 30 + '"\n', "line 2 has a cell of too many lines"),
        ("a.csv", f"caption\n{CELL}", "line 2 has a cell of more than 131072"),
        ("a.csv", "caption,text,caption\na,b,c\n", "line 1 has the field 'caption' twice"),
        ("a.txt", "a cat\na\x00dog", r"line 2 contains U\+0000"),
        ("a.json", '{"annotations": {"a": 1}}', "neither COCO"),
        ("a.json", '{"annotations": [], "annotations": ["a"]}', "the field 'annotations' twice"),
        ("a.json", '[{"caption": "a", "caption": "b"}]', "the field 'caption' twice"),
        ("a.json", "[" * 100_000, "neither COCO"),
        ("a.json", "[" + "7" * 5000 + "]", "neither COCO"),
    ],
)
def test_bad_captions(name, text, said):
    with pytest.raises(ValueError, match=said) as error:
        read_captions(text.encode(), name)
    assert str(error.value).startswith(f"In '{name}': ") and str(error.value).endswith(".")


BOMB = "- &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"- &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
LONG = ("distinct.csv", "concepts.json")  # refused for their number of concepts: tracing takes long
HOSTILE = {
    "brackets.yaml": "[" * 20_000,
    "braces.yaml": "- " + "{a: " * 20_000,
    "dashes.yaml": "- " * 20_000,
    "questions.yaml": "? " * 20_000,
    "indented.yaml": "".join(" " * i + "a:\n" for i in range(1000)),
    "bomb.yaml": BOMB,
    "merge.yaml": "- &a {target: a}\n" + "".join(f"- &a{i} {{<<: [*a, *a]}}\n" for i in range(20)),
    "quotes.yaml": "- '" + "a" * 4_000_000,
    "comments.yaml": "#" * 4_000_000,
    "rows.csv": "target,surrogate\n" + "a,b\n" * 150_000,
    "distinct.csv": "target,surrogate\n" + "".join(f"a{i},b\n" for i in range(90_000)),
    "empty lines.csv": "\n" * 4_000_000,
    "cells.csv": "," * 4_000_000,
    "cells below.csv": "a,b\n" + "," * 4_000_000,
    "quotes.csv": '"' * 4_000_000,
    "entries.json": "[" + "[]," * 1_300_000,
    "spaces.json": "[" + " " * 4_000_000,
    "lines.json": '[{"target": "a",\n"surrogate": "b"},\n' * 1000,
    "concepts.json": "[" + ",\n".join(f'{{"target": "a{i}", "surrogate": "b"}}' for i in range(90_000)),
    "strings.json": "[" + '"' * 4_000_000,
    "names.json": '[{"target": "a", "surrogate": "b", "synonyms": ["'
    + '","'.join(map(str, range(400_000)))
    + '"]}]',
    "lines.txt": "a -> b\n" * 150_000,
    "spaces.txt": "a" + " " * 8000 + "b -> c",
}


@pytest.mark.parametrize("fast", [True, False], ids=["libyaml", "pure"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_soon_and_in_little_memory(name, fast, monkeypatch):
    if not fast:
        if not name.endswith(".yaml"):
            pytest.skip("has no second reader")
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    data = HOSTILE[name].encode()
    started = time.process_time()
    with pytest.raises(ValueError, match=r"\.$") as error:
        read_concepts(data, name)
    assert time.process_time() - started < 2 and len(str(error.value)) < 400
    if name in LONG:
        return
    tracemalloc.start()
    with pytest.raises(ValueError):
        read_concepts(data, name)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32e6 + 10 * len(data)


def test_the_size_is_looked_at_before_a_file_is_read(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # sparse
    tracemalloc.start()
    with pytest.raises(ValueError, match="'huge.csv' has 3072 MB and a list of concepts can have 4"):
        read_bounded(path, LARGEST, "a list of concepts")
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    path.write_bytes(b"x" * 5)
    assert read_bounded(path, 5, "a list") == b"x" * 5


@pytest.mark.parametrize("name", ["nothing.csv", "", "a\0b", "x" * 5000])
def test_what_cannot_be_read(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be read") as error:
        read_bounded(tmp_path / name, 5, "a list")
    assert str(error.value).isprintable() and len(str(error.value)) < 250
