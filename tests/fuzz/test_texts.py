"""Lists that people type: concepts, targets, names, prompts, and names of files."""

import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mace_core.attacks.probes import own_prompts
from mace_core.concepts.captions import captions_of_names
from mace_core.concepts.concept_files import read_concepts
from mace_core.concepts.concepts import Concept, parse_concepts, written
from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.prompt_sets import everyday_vocabulary, parse_keep
from mace_core.evaluation.suggest import parse_targets
from mace_core.files.names import new_parts_of, parts_of
from mace_core.files.shown import shown
from tests.fuzz.answers import answer
from tests.fuzz.texts import names, typed

SHIP = (Concept("ship", "sea"),)
VOCABULARY = everyday_vocabulary()
NOT_ON_WINDOWS = set('<>:"|?*\\')


@given(typed, typed, st.sampled_from((*KINDS, "colour")))
def test_concepts(text, synonyms, kind):
    for concept in answer(parse_concepts, text, kind, synonyms, size=len(text + synonyms)) or ():
        assert concept.target.strip() and concept.surrogate.strip() and concept.kind in KINDS
        assert "".join((*concept.phrases, concept.surrogate)).encode()


@given(typed)
def test_other_lists(text):
    answer(parse_targets, text, size=len(text))
    answer(captions_of_names, text, size=len(text))
    answer(parse_keep, text, SHIP, VOCABULARY, size=len(text))
    answer(own_prompts, text, SHIP, size=len(text))


@given(typed)
def test_names_of_files(name):
    answer(parts_of, name, "models/mace", size=len(name))
    for part in answer(new_parts_of, name, "models/mace", size=len(name)) or ():
        assert part.isprintable() and not NOT_ON_WINDOWS.intersection(part) and len(part.encode()) < 255
        assert part == part.strip(" .") and part not in ("", ".", "..")


@given(st.one_of(typed, st.integers(), st.floats(), st.none(), st.lists(typed), st.binary()))
def test_values_in_sentences(value):
    said = shown(value)
    assert said.isprintable() and said.encode() and len(said) <= 82


def rows(concepts: list[Concept], delimiter: str) -> str:
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter)
    writer.writerow(("target", "surrogate", "kind", "synonyms"))
    for each in concepts:
        writer.writerow(
            (
                each.target,
                each.surrogate,
                each.kind,
                ", ".join(name.replace(",", "\\,") for name in each.synonyms),
            )
        )
    return table.getvalue()


FORMATS = {
    "a.csv": lambda concepts: rows(concepts, ","),
    "b.csv": lambda concepts: "sep=;\n" + rows(concepts, ";"),
    "c.csv": lambda concepts: rows(concepts, "\t"),
    "a.json": lambda concepts: json.dumps([each.to_json() for each in concepts]),
    "a.yaml": lambda concepts: yaml.safe_dump(json.loads(json.dumps([each.to_json() for each in concepts]))),
    "a.txt": lambda concepts: "\n".join(f"{written(each)} -> {each.surrogate}" for each in concepts),
}


@pytest.mark.parametrize("name", FORMATS)
@given(
    st.lists(
        st.tuples(names, names, st.sampled_from(tuple(KINDS)), st.lists(names, max_size=3)),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_is_read(name, entries):
    """Every list that is one reads back as the same in each format, whatever its names are."""
    entries = [
        (f"a{target}", f"b{surrogate}", kind, [f"c{each}" for each in others])
        for target, surrogate, kind, others in entries
    ]
    plain = [each for entry in entries for each in (entry[0], entry[1], *entry[3])]
    if any(mark in text for text in plain for mark in ("->", "=>", "\u2192", " #", ";")):
        return
    try:
        concepts = [
            Concept(target, surrogate, kind, tuple(dict.fromkeys(others)))
            for target, surrogate, kind, others in entries
        ]
        united = parse_concepts(FORMATS["a.txt"](concepts))
    except ValueError:
        return
    text = FORMATS[name](united)
    assert answer(read_concepts, text.encode(), name, size=len(text)) == united
