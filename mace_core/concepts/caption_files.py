"""Captions to preserve in files: text, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..files.shown import shown
from .lines import trimmed, without_comment
from .text_files import check_unique, decoded, rows

FORMATS = (".txt", ".csv", ".json")
COLUMNS = ("caption", "captions", "text", "prompt", "name")
LARGEST = 128 * 2**20  # bytes; COCO's largest file of captions has 92 MB
MOST = 1_000_000  # captions; COCO has 616,767
BETWEEN_CHECKS = 1000
LINES_PER_CELL = 20  # more are a quote that is not closed


def read_captions(data: bytes, name: str, check: Callable[[], None] | None = None) -> tuple[str, ...]:
    """The captions in a file; the extension of ``name`` selects the format.

    ``.txt``: one per line; ``.csv``: the column caption, captions, text, prompt or name, otherwise the first;
    ``.json``: COCO annotations, or a list of strings. ``check`` is called now and then; it can raise to stop.
    Raises ValueError, naming the file: too large, not UTF-8, an unknown extension, malformed, no captions.
    """
    captions = []
    for _, caption in numbered_captions(data, name):
        captions.append(caption)
        if check is not None and len(captions) % BETWEEN_CHECKS == 0:
            check()
    if not captions:
        raise ValueError(f"{shown(name)} has no captions: add at least one.")
    return tuple(captions)


def numbered_captions(data: bytes, name: str) -> Iterator[tuple[int, str]]:
    """(line from 1, caption) as in ``read_captions``; in ``.json``, the entry instead of the line.

    Raises the same ValueErrors, except for a file without captions.
    """
    reader = {".txt": _txt, ".csv": _csv, ".json": _json}.get(name.lower()[name.rfind(".") :])
    if reader is None:
        raise ValueError(
            f"{shown(name)} has none of the extensions {', '.join(FORMATS)}: "
            "choose another file or rename it."
        )
    count = 0
    try:
        if len(data) > LARGEST:
            raise ValueError(f"the file has more than {LARGEST >> 20} MB: split it.")
        for number, caption in reader(decoded(data)):
            if caption := trimmed(caption):
                count += 1
                if count > MOST:
                    raise ValueError(f"there are more than {MOST} captions: split the file.")
                yield number, caption
    except ValueError as error:
        raise ValueError(f"In {shown(name)}: {error}") from None


def _txt(text: str) -> Iterator[tuple[int, str]]:
    return ((number, without_comment(line)) for number, line in enumerate(text.splitlines(), 1))


def _csv(text: str) -> Iterator[tuple[int, str]]:
    column = None
    for line, row in rows(text, LINES_PER_CELL):
        if column is None:
            names = [cell.strip().lower() for cell in row]
            column = next((names.index(name) for name in COLUMNS if name in names), None)
            if column is not None:
                check_unique((name for name in names if name in COLUMNS), f"line {line}")
                continue
            column = 0
        if len(row) > column:
            yield line, row[column]


def _json(text: str) -> Iterator[tuple[int, str]]:
    try:
        whole = json.loads(text, object_pairs_hook=_unique, parse_int=float)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON ({error.msg}): correct it.") from None
    except RecursionError:
        whole = None
    entries = whole.get("annotations") if isinstance(whole, dict) else whole
    if not isinstance(entries, list):
        raise _no_captions()
    for number, entry in enumerate(entries, 1):
        caption = entry.get("caption") if isinstance(entry, dict) else entry
        if not isinstance(caption, str):
            raise _no_captions()
        yield number, caption if caption is entry else caption.replace("\n", " ")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        check_unique((name for name, _ in pairs), "an entry")
    return fields


def _no_captions() -> ValueError:
    return ValueError(
        "there are neither COCO annotations with captions nor a list of strings: use one of the two, such as "
        "captions_train2014.json."
    )
