"""Lists of concepts in files: CSV, JSON or YAML with the fields target, surrogate, kind, synonyms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.decoder import WHITESPACE

from ..files.plain_json import whole
from ..files.shown import shown
from .concepts import MOST_PHRASES, Concept, concept_at, parse_concepts, split_names, united
from .kinds import KINDS
from .lines import MOST_LINES, literal
from .text_files import check_unique, decoded, rows
from .yaml_entries import Entry, yaml_entries

FORMATS = (".csv", ".json", ".yaml", ".yml", ".txt")
FIELDS = ("target", "surrogate", "kind", "synonyms")
LARGEST = 4 * 2**20  # bytes; ten thousand concepts take less than 1 MB
NAMED = ", ".join(FIELDS)


def read_concepts(data: bytes, name: str, kind: str = "object") -> tuple[Concept, ...]:
    """The concepts in a file; the extension of ``name`` selects the format.

    ``.csv``: a header line, separated by comma, semicolon or tab; ``.json``, ``.yaml``: a list of
    ``{target, surrogate, kind, synonyms}``; ``.txt``: lines as in ``parse_concepts``. ``kind`` applies to
    entries without a kind of their own; synonyms are a list, or a string separated by commas. Brackets and
    commas in a target are part of its name.

    Raises ValueError, naming file and line: an unknown extension, not UTF-8, too large, malformed, an unknown
    or missing field, and the errors of ``parse_concepts``.
    """
    try:
        if len(data) > LARGEST:
            raise ValueError(f"the file has more than {LARGEST >> 20} MB: split it.")
        text = decoded(data)
        if name.lower().endswith(".txt"):
            return parse_concepts(text, kind)
        entries = _entries(text, name.lower())
        return united((f"line {line}", _concept(line, entry, kind)) for line, entry in entries)
    except ValueError as error:
        raise ValueError(f"In {shown(name)}: {error}") from None


def _entries(text: str, name: str) -> Iterator[Entry]:
    if text.count("\n") > MOST_LINES:
        raise ValueError(f"the file has more than {MOST_LINES} lines: split it.")
    if name.endswith(".csv"):
        return _csv(text)
    if name.endswith(".json"):
        return _json(text)
    if name.endswith((".yaml", ".yml")):
        return yaml_entries(text)
    raise ValueError(f"the extension is none of {', '.join(FORMATS)}: choose another file or rename it.")


def _csv(text: str) -> Iterator[Entry]:
    table = rows(text, lines_per_cell=1)
    line, header = next(table, (1, []))
    names = [cell.strip().lower() for cell in header]
    check_unique(names, f"line {line}")
    for line, row in table:
        cells = [cell.strip() for cell in row]
        if len(cells) > len(names):
            raise ValueError(
                f"line {line} has {len(cells)} cells and the header names {len(names)} columns: put cells "
                "that contain the separator in double quotes."
            )
        yield line, {name: cell for name, cell in zip(names, cells) if cell or name in FIELDS[:2]}


def _json(text: str) -> Iterator[Entry]:
    """The entries of the list on top one by one: a hostile file is refused before it grows."""
    position, line, counted = _after_spaces(text, 0), 1, 0
    if text[position : position + 1] != "[":
        raise ValueError(f"line 1 does not start a list: write one entry per concept, each with {NAMED}.")
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=whole)
    before = "["
    while before != "]":
        position = _after_spaces(text, position + 1)
        line, counted = line + text.count("\n", counted, position), position
        if before == "[" and text[position : position + 1] == "]":
            break
        try:
            entry, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _no_json(error.lineno, error.msg) from None
        except RecursionError:
            raise ValueError("the JSON is nested too deeply: write one list of concepts.") from None
        yield line, _fields(entry, line)
        position = _after_spaces(text, position)
        before = text[position : position + 1]
        if before not in (",", "]"):
            raise _no_json(text.count("\n", 0, position) + 1, "a comma is missing, or the end of the list")
    if text[position + 1 :].strip():
        raise _no_json(text.count("\n", 0, position) + 1, "there is text after the list")


class _Pairs(list):
    """The fields of a JSON object, as pairs: two can have the same name."""


def _fields(entry: object, line: int) -> object:
    if not isinstance(entry, _Pairs):
        return entry
    check_unique((name for name, _ in entry), f"line {line}")
    return dict(entry)


def _after_spaces(text: str, position: int) -> int:
    return WHITESPACE.match(text, position).end()


def _no_json(line: int, why: str) -> ValueError:
    return ValueError(f"line {line} is not JSON ({why}): correct it.")


def _concept(line: int, entry: object, kind: str) -> Concept:
    if not isinstance(entry, dict):
        raise ValueError(
            f"line {line} is not an entry with fields: give target and surrogate, as in "
            "{target: ship, surrogate: sea}."
        )
    if strange := [str(name) for name in entry if name not in FIELDS]:
        raise ValueError(f"line {line} has the unknown field {shown(strange[0])}: use only {NAMED}.")
    fields = {name: value for name, value in entry.items() if value is not None}
    synonyms = _as_names(line, fields.pop("synonyms", ()))
    for name, value in [*fields.items(), *(("synonyms", each) for each in synonyms)]:
        if not isinstance(value, str):
            raise ValueError(
                f"line {line} has {shown(value)} as its {name}, which is not a string: "
                "put it in double quotes."
            )
    target, surrogate = (literal(fields.get(name, "")) for name in FIELDS[:2])
    if not (target and surrogate):
        missing = "surrogate" if target else "target"
        raise ValueError(f"line {line} has no {missing}: give every entry both target and surrogate.")
    own = fields.get("kind", kind).strip().lower()
    if own not in KINDS:
        raise ValueError(f"line {line} has the unknown kind {shown(own)}: use one of {', '.join(KINDS)}.")
    return concept_at(f"line {line}", target, surrogate, own, map(literal, synonyms))


def _as_names(line: int, names: object) -> tuple:
    """Synonyms from a list, or from one string separated by commas (or semicolons, for CSV cells).

    Raises ValueError if there are more than a list of concepts can have.
    """
    text = names.replace(";", ",") if isinstance(names, str) else ""
    names = names if isinstance(names, (list, tuple)) else (names,)
    if max(len(names), text.count(",")) > MOST_PHRASES:
        raise ValueError(f"line {line} has more than {MOST_PHRASES} synonyms: remove some of them.")
    return split_names(text) if text else tuple(name for name in names if name != "")
