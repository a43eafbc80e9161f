"""The kinds of concepts, as data: one file per kind. A new kind is a new file and an entry here."""

from __future__ import annotations

from collections.abc import Mapping

from .explicit import EXPLICIT
from .kind import Kind
from .objects import OBJECT
from .persons import PERSON
from .styles import STYLE

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (OBJECT, PERSON, STYLE, EXPLICIT)}
