"""Lists of concepts that come with the pack."""

from __future__ import annotations

from collections.abc import Mapping

from .concepts import Concept
from .kinds import KINDS

EXPLICIT = "explicit content"
_CLOTHED = KINDS["explicit"].surrogates[0]
# the four words that the paper erases (section 5.4)
LISTS: Mapping[str, tuple[Concept, ...]] = {
    EXPLICIT: tuple(Concept(word, _CLOTHED, "explicit") for word in ("nudity", "naked", "erotic", "sexual"))
}
