"""What to erase: target concepts, and the surrogates that take their place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..files.records import Record
from .kinds import KINDS
from .lines import items, numbered, prefixed, sides

_SYNONYMS = re.compile(r"^(.*?)\s*\(([^()]*)\)\s*$")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)", re.IGNORECASE)


def without_article(phrase: str) -> str:
    """``"the ship"`` gives ``"ship"``: the phrase without a leading a, an or the."""
    return _ARTICLE.sub("", phrase)


def canonical(phrase: str) -> str:
    """The form in which two phrases are compared: case, spaces, a leading article and the Unicode encoding of
    a letter do not matter."""
    return without_article(" ".join(unicodedata.normalize("NFKC", phrase).split())).casefold()


@dataclass(frozen=True)
class Concept(Record):
    """One target, its surrogate, and the synonyms that are erased with it (section 4.1).

    target:    the phrase to erase, such as ``"ship"``.
    surrogate: what the model must generate instead, such as ``"sea"``.
    kind:      a key of ``KINDS``; selects the prompt templates.
    synonyms:  other names of the target; they are mapped to the same surrogate.

    Raises ValueError for an empty target or surrogate, an unknown kind, or a target or synonym that is its
    own surrogate.
    """

    target: str
    surrogate: str
    kind: str = "object"
    synonyms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.target.strip():
            raise ValueError("A concept has an empty target: name what to erase, as in 'ship -> sea'.")
        if not self.surrogate.strip():
            raise ValueError(
                f"The concept '{self.target}' has no surrogate: add what to generate "
                f"instead, as in '{self.target} -> sea'."
            )
        if self.kind not in KINDS:
            raise ValueError(
                f"The concept '{self.target}' has the unknown kind '{self.kind}': "
                f"use one of {', '.join(KINDS)}."
            )
        for phrase in self.phrases:
            if canonical(phrase) == canonical(self.surrogate):
                raise ValueError(
                    f"The concept '{phrase}' is its own surrogate: choose a different surrogate."
                )

    @property
    def phrases(self) -> tuple[str, ...]:
        """The target and its synonyms: every phrase that is erased."""
        return (self.target, *self.synonyms)


def parse_concepts(text: str, kind: str = "object", synonyms: str = "") -> tuple[Concept, ...]:
    """Read concepts, one per line: ``ship -> sea``, ``ship (boat) -> sea`` or ``style: Van Gogh -> art``.

    kind:     the kind of every line without a prefix of its own.
    synonyms: more synonyms, one concept per line as ``ship: boat, vessel``; a bare ``boat, vessel`` belongs
              to the only concept.
    The grammar is that of ``lines.py``. Entries with the same target and surrogate are merged.

    Raises ValueError: an empty list, a line without a surrogate, an unknown kind, one concept with two
    surrogates, synonyms of a concept that is not in the list.
    """
    concepts = united((f"line {number}", _parse_line(number, line, kind)) for number, line in numbered(text))
    return with_synonyms(concepts, synonyms)


def with_synonyms(concepts: tuple[Concept, ...], text: str) -> tuple[Concept, ...]:
    """The concepts with more synonyms, written as for ``parse_concepts``. Raises the same ValueErrors."""
    extra = [("the synonyms", concept) for concept in _mentions(concepts, text)]
    return united([("the list", concept) for concept in concepts] + extra) if extra else concepts


def concept_at(where: str, target: str, surrogate: str, kind: str, synonyms: Iterable[str]) -> Concept:
    """A Concept whose ValueError starts with its place in a list, such as ``"line 3"``."""
    try:
        return Concept(target, surrogate, kind, tuple(synonyms))
    except ValueError as error:
        raise ValueError(f"{where.capitalize()}: {error}") from None


def united(entries: Iterable[tuple[str, Concept]]) -> tuple[Concept, ...]:
    """One concept per target, in order, with all its synonyms. ``entries`` are (place in the list, concept).

    Raises ValueError if there are no entries, or if a phrase has two surrogates or two kinds.
    """
    merged: dict[str, Concept] = {}
    first: dict[str, tuple[str, Concept]] = {}
    for where, concept in entries:
        for phrase in concept.phrases:
            earlier_where, earlier = first.setdefault(canonical(phrase), (where, concept))
            if canonical(earlier.surrogate) != canonical(concept.surrogate):
                raise ValueError(
                    f"The concept '{phrase}' has two surrogates, '{earlier.surrogate}' and "
                    f"'{concept.surrogate}' ({earlier_where} and {where}): remove one of them."
                )
        earlier = merged.get(canonical(concept.target), concept)
        if earlier.kind != concept.kind:
            raise ValueError(
                f"The concept '{concept.target}' has two kinds, '{earlier.kind}' and '{concept.kind}' "
                f"({first[canonical(concept.target)][0]} and {where}): remove one of them."
            )
        merged[canonical(concept.target)] = replace(earlier, synonyms=_names(earlier, concept))
    if not merged:
        raise ValueError("The list of concepts is empty: add at least one line such as 'ship -> sea'.")
    return tuple(merged.values())


def _names(first: Concept, second: Concept) -> tuple[str, ...]:
    """The synonyms of both entries, each once and without the target."""
    names = {canonical(first.target): first.target}
    for name in (*first.synonyms, *second.synonyms):
        names.setdefault(canonical(name), name)
    return tuple(names.values())[1:]


def _parse_line(number: int, line: str, kind: str) -> Concept:
    both = sides(line)
    if len(both) != 2 or not all(both):
        raise ValueError(
            f"Line {number} '{line}' does not have one target and one surrogate: write it as 'ship -> sea'."
        )
    target, surrogate = both
    kind, target = split_kind(target, kind, f"Line {number} ")
    names: tuple[str, ...] = ()
    if bracket := _SYNONYMS.match(target):
        target, names = bracket[1], split_names(bracket[2])
    return concept_at(f"line {number}", target, surrogate, kind, names)


def split_kind(target: str, kind: str = "object", where: str = "") -> tuple[str, str]:
    """``"style: Van Gogh"`` gives ``("style", "Van Gogh")``; without a prefix the kind is ``kind``.

    Raises ValueError for an unknown kind; ``where`` starts its message.
    """
    return prefixed(target, KINDS, kind, where)


def split_names(text: str) -> tuple[str, ...]:
    """``"boat, vessel"`` gives ``("boat", "vessel")``."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _mentions(concepts: tuple[Concept, ...], text: str) -> Iterable[Concept]:
    """One more entry for each concept that ``text`` gives synonyms for."""
    by_target = {canonical(concept.target): concept for concept in concepts}
    for line in items(text):
        name, colon, names = line.rpartition(":")
        if not colon and len(concepts) > 1:
            raise ValueError(
                f"The synonyms '{line}' do not say which of {len(concepts)} concepts "
                "they belong to: write one line per concept, as in 'ship: boat, vessel'."
            )
        concept = by_target.get(canonical(name)) if colon else concepts[0]
        if concept is None:
            raise ValueError(
                f"Synonyms are given for '{name.strip()}', which is not in the list of "
                f"concepts: use one of {', '.join(c.target for c in concepts)}."
            )
        yield replace(concept, synonyms=split_names(names))
