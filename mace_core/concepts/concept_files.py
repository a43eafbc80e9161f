"""Lists of concepts in files: CSV, JSON or YAML with the fields target, surrogate, kind, synonyms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from ..files.shown import shown
from .concepts import Concept, concept_at, parse_concepts, split_names, united
from .kinds import KINDS
from .lines import literal

FORMATS = (".csv", ".json", ".yaml", ".yml", ".txt")
FIELDS = ("target", "surrogate", "kind", "synonyms")
LARGEST = 4 * 2**20  # bytes; ten thousand concepts take less than 1 MB

Entry = tuple[int, object]  # line number, content


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
        text = _text(data)
        if name.lower().endswith(".txt"):
            return parse_concepts(text, kind)
        entries = _entries(text, name.lower())
        return united((f"line {line}", _concept(line, entry, kind)) for line, entry in entries)
    except ValueError as error:
        raise ValueError(f"In {shown(name)}: {error}") from None


def _text(data: bytes) -> str:
    if len(data) > LARGEST:
        raise ValueError(
            f"the file has {len(data) >> 20} MB and a list of concepts can have {LARGEST >> 20}: "
            "choose another file or split it."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text: save it as UTF-8.") from None


def _entries(text: str, name: str) -> Iterator[Entry]:
    if name.endswith(".csv"):
        return _csv(text)
    if name.endswith(".json"):
        return _json(text)
    if name.endswith((".yaml", ".yml")):
        return _yaml(text)
    raise ValueError(f"the extension is none of {', '.join(FORMATS)}: choose another file or rename it.")


def _csv(text: str) -> Iterator[Entry]:
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    names: list[str] = []
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not names:
            names = [cell.lower() for cell in cells]
            continue
        if len(cells) > len(names):
            raise ValueError(
                f"line {rows.line_num} has {len(cells)} cells and the header names {len(names)} "
                f"columns: put cells that contain '{delimiter}' in double quotes."
            )
        yield rows.line_num, {name: cell for name, cell in zip(names, cells) if cell or name in FIELDS[:2]}


def _json(text: str) -> Iterator[Entry]:
    """The entries of the top list one by one, because json alone does not give their line numbers."""
    try:
        whole = json.loads(text)
        position = text.index("[") + 1 if isinstance(whole, list) else 0
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON ({error.msg}): correct it.") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply: write one list of concepts.") from None
    decoder = json.JSONDecoder()
    for _ in _list(whole):
        while text[position] in " \t\r\n,":
            position += 1
        line = text.count("\n", 0, position) + 1
        entry, position = decoder.raw_decode(text, position)
        yield line, entry


def _yaml(text: str) -> Iterator[Entry]:
    import yaml  # here, because the host ships it and nothing else in the core needs it

    loader = yaml.SafeLoader(text)
    try:
        top = loader.get_single_node()
        items = top.value if isinstance(top, yaml.SequenceNode) else _list(None)
        yield from ((item.start_mark.line + 1, loader.construct_object(item, deep=True)) for item in items)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line} is not YAML ({error.problem}): correct it.") from None
    except (yaml.YAMLError, RecursionError):
        raise ValueError("the file is not YAML: correct it or use CSV.") from None
    finally:
        loader.dispose()


def _list(whole: object) -> list:
    if not isinstance(whole, list):
        raise ValueError(
            f"line 1 does not start a list: write one entry per concept, each with {', '.join(FIELDS)}."
        )
    return whole


def _concept(line: int, entry: object, kind: str) -> Concept:
    if not isinstance(entry, dict):
        raise ValueError(
            f"line {line} is not an entry with fields: give target and surrogate, as in "
            "{target: ship, surrogate: sea}."
        )
    if strange := [str(name) for name in entry if name not in FIELDS]:
        raise ValueError(
            f"line {line} has the unknown field {shown(strange[0])}: use only {', '.join(FIELDS)}."
        )
    fields = {name: value for name, value in entry.items() if value is not None}
    names = fields.pop("synonyms", ())
    for name, value in [*fields.items(), *(("synonyms", each) for each in _as_names(names))]:
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
    return concept_at(f"line {line}", target, surrogate, own, map(literal, _as_names(names)))


def _as_names(names: object) -> tuple:
    """Synonyms from a list, or from one string separated by commas (or semicolons, for CSV cells)."""
    if isinstance(names, str):
        return split_names(names.replace(";", ","))
    return tuple(names) if isinstance(names, (list, tuple)) else (names,)
