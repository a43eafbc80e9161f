"""Text and tables in files, as lists of concepts and of captions share them.

Errors start with the line, in lower case: the readers of each list put the file's name in front.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from ..files.shown import shown
from .lines import not_text

DELIMITERS = ",;\t"
MOST_COLUMNS = 1000
_SEPARATOR = r'"?sep=([^\w\s"]|\t)"?\s*$'  # the first line of some tables, for Excel


def decoded(data: bytes) -> str:
    """The text of a file, its line ends as ``\\n``. Raises ValueError: not UTF-8, control characters."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text: save it as UTF-8.") from None
    if wrong := not_text(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise ValueError(
            f"line {line} contains U+{ord(wrong[0]):04X}, which is not a character of a text: remove it."
        )
    return text


def rows(text: str, lines_per_cell: int) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row of a CSV table, without empty rows and those that start with ``#``.

    Separated by comma, semicolon or tab, whichever the first row has most of, or as a first line ``sep=;``
    says. Raises ValueError, naming the line: a quote that is not closed, text after a closing quote, a cell
    of more than ``lines_per_cell`` lines or too many characters, more than MOST_COLUMNS cells.
    """
    separator = re.match(_SEPARATOR, text.partition("\n")[0], re.IGNORECASE)
    delimiter = separator[1] if separator else _delimiter(text)
    table = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    start = 1
    try:
        for row in table:
            if len(row) > MOST_COLUMNS:
                raise ValueError(
                    f"line {start} has {len(row)} cells, but can have {MOST_COLUMNS}: choose another file."
                )
            if any(cell.count("\n") >= lines_per_cell for cell in row):
                raise ValueError(f"line {start} has a cell of too many lines: close its quotes.")
            counts = any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#")
            if counts and not (separator and start == 1):
                yield start, row
            start = table.line_num + 1
    except csv.Error as error:
        if "limit" in str(error):
            raise ValueError(
                f"line {start} has a cell of more than {csv.field_size_limit()} characters: close its "
                "quotes, or shorten it."
            ) from None
        raise ValueError(
            f"line {start} has a quote that is not closed, or text after a closing quote: correct it."
        ) from None


def _delimiter(text: str) -> str:
    lines = (line for line in io.StringIO(text) if line.strip() and not line.lstrip().startswith("#"))
    header = re.sub(r'"[^"]*"', "", next(lines, ""))
    return max(DELIMITERS, key=header.count)


def check_unique(names: Iterable[str], where: str) -> None:
    """Raise ValueError, starting with ``where``, if two columns or keys have the same name."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise ValueError(f"{where} has the field {shown(name)} twice: remove one of them.")
        seen.add(name)
