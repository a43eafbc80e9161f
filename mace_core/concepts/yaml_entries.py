"""The entries of a YAML list of concepts: plain fields, without what makes YAML dangerous or ambiguous."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..files.shown import shown
from .text_files import check_unique

_TEXT, _NOTHING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
LARGEST_SLOW = 2**18  # characters that Python itself reads in a few seconds
Entry = tuple[int, object]  # line number, content


def yaml_entries(text: str) -> Iterator[Entry]:
    """(line, entry) for each entry of the list on top; an entry has texts, lists of texts and None.

    The file is read event by event, so that a hostile one is refused before it grows: anchors, aliases, tags
    and deeper nesting are errors. Raises ValueError, naming the line.
    """
    import yaml  # here, because the host ships it and nothing else in the core needs it

    loader, fast = None, getattr(yaml, "CSafeLoader", None)
    if fast is None and len(text) > LARGEST_SLOW:
        raise ValueError("the file is too large for a Python without libyaml: use CSV or JSON.")
    try:
        loader = (fast or yaml.SafeLoader)(text)
        yield from _Events(yaml, loader).entries()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        line = min(line, text.count("\n") + 1)  # the end of the file is one line further
        raise ValueError(f"line {line} is not YAML ({error.problem}): correct it.") from None
    except (yaml.YAMLError, RecursionError):
        raise ValueError("the file is not YAML: correct it or use CSV.") from None
    finally:
        if loader is not None:
            loader.dispose()


class _Events:
    """The events of a YAML file, read as a list of concepts."""

    def __init__(self, yaml: Any, loader: Any):
        self._yaml, self._loader = yaml, loader

    def entries(self) -> Iterator[Entry]:
        """The list on top, entry by entry, to the end of the file."""
        yaml = self._yaml
        event = self._next(yaml.StreamStartEvent, yaml.DocumentStartEvent)
        if not isinstance(event, yaml.SequenceStartEvent):
            raise ValueError("line 1 does not start a list: write one entry per concept.")
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            line = event.start_mark.line + 1
            yield line, self._entry(event, line)
        event = self._next(yaml.DocumentEndEvent)
        if not isinstance(event, yaml.StreamEndEvent):
            raise ValueError(
                f"line {event.start_mark.line + 1} starts a second document: write one list of concepts."
            )

    def _next(self, *skipped: type) -> Any:
        """The next event that is none of ``skipped``. Raises ValueError for anchors, aliases and tags."""
        event = self._loader.get_event()
        while isinstance(event, skipped):
            event = self._loader.get_event()
        line = event.start_mark.line + 1 if event and event.start_mark else 1
        if getattr(event, "anchor", None):
            raise ValueError(
                f"line {line} has the anchor or alias {shown(event.anchor)}: write the text itself."
            )
        if getattr(event, "tag", None) not in (None, "!", _TEXT):
            raise ValueError(
                f"line {line} is not YAML with plain texts, it has the tag {shown(event.tag)}: remove it."
            )
        return event

    def _entry(self, event: Any, line: int) -> object:
        if not isinstance(event, self._yaml.MappingStartEvent):
            return self._value(event, "entry")
        names, values = [], []
        while not isinstance(event := self._next(), self._yaml.MappingEndEvent):
            names.append(str(self._value(event, "field")))
            values.append(self._value(self._next(), names[-1]))
        check_unique(names, f"line {line}")
        return dict(zip(names, values))

    def _value(self, event: Any, name: str) -> str | list | None:
        """A text, a list of texts, or None. Raises ValueError for anything else."""
        yaml = self._yaml
        if isinstance(event, yaml.ScalarEvent):
            return self._text(event, name)
        if not isinstance(event, yaml.SequenceStartEvent):
            raise _nested(event)
        texts = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _nested(event)
            texts.append(self._text(event, name))
        return texts

    def _text(self, event: Any, name: str) -> str | None:
        tag = event.tag or self._loader.resolve(self._yaml.ScalarNode, event.value, event.implicit)
        if tag == _NOTHING:
            return None
        if tag not in (_TEXT, "!"):
            raise ValueError(
                f"line {event.start_mark.line + 1} has {event.value[:20]} as its {name}, which YAML does not "
                "read as a string: put it in double quotes."
            )
        return event.value


def _nested(event: Any) -> ValueError:
    return ValueError(f"line {event.start_mark.line + 1} is nested too deeply: write one list of concepts.")
