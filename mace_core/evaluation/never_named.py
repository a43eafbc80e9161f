"""Concepts that neither the erasure nor its prior names: an erasure must leave them as they were.

They are what users ask for most, and what an edit of the weights damages first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ..concepts.concepts import Concept, canonical, contains
from ..concepts.kinds import KINDS
from ..files.shown import shown
from .prompt_sets import Keep, Vocabulary, known_names, parse_keep

DRAWN = 30  # concepts by default: enough for a standard error over concepts of a few points
_SEED = "never named, 1"


@dataclass(frozen=True)
class Named:
    """What somebody names: the concepts to preserve that are scored too, and the captions that the prior
    remembers, which are examples if it is long."""

    keep: Sequence[Keep] = ()
    texts: Sequence[str] = ()

    def has(self, phrases: Sequence[str]) -> bool:
        """Whether one of the phrases is among the concepts to preserve, or in a caption of the prior."""
        wanted = [canonical(phrase) for phrase in phrases]
        kept = {canonical(each.phrase) for each in self.keep}
        texts = [canonical(text) for text in self.texts]
        return any(phrase in kept or any(contains(text, phrase) for text in texts) for phrase in wanted)


def listed(text: str, concepts: Sequence[Concept], named: Named, vocabulary: Vocabulary) -> tuple[Keep, ...]:
    """The user's list, one per line: ``cat``, or ``style: Monet``.

    Raises ValueError for a concept that is erased, preserved or in the prior, and as ``parse_keep`` does.
    """
    found = parse_keep(text, concepts, vocabulary, "never named", tuple(KINDS))
    for each in found:
        if named.has([each.phrase]):
            raise ValueError(
                f"{shown(each.phrase)} cannot count as never named, because it is preserved: remove it from "
                "'never_named', or from what is preserved."
            )
    return found


def drawn(count: int, concepts: Sequence[Concept], named: Named, vocabulary: Vocabulary) -> tuple[Keep, ...]:
    """``count`` names of the vocabulary, or all that are left, that nobody names; always the same ones.

    Synonyms count as names. concepts: with every synonym that is scored.
    """
    known = (
        each
        for each in known_names(concepts, vocabulary)
        if not named.has([each.phrase, *vocabulary.concepts[each.kind][each.phrase]])
    )
    return tuple(sorted(known, key=_order)[:count])


def _order(each: Keep) -> str:
    return sha256(f"{_SEED}/{each.kind}/{each.phrase}".encode()).hexdigest()
