"""What to erase: target concepts and the surrogate concepts that take their place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .lines import items, numbered, prefixed, sides

KINDS = ("object", "person", "style", "explicit")

_SYNONYMS = re.compile(r"^(.*?)\s*\(([^()]*)\)\s*$")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)", re.IGNORECASE)


def without_article(phrase: str) -> str:
    """``"the ship"`` -> ``"ship"``: the phrase without a leading a, an or the."""
    return _ARTICLE.sub("", phrase)


def same(phrase: str) -> str:
    """The form under which two phrases count as the same concept: case, spaces, a leading article and the way
    a letter is encoded do not matter."""
    return without_article(" ".join(unicodedata.normalize("NFKC", phrase).split())).casefold()


@dataclass(frozen=True)
class Concept:
    """One target concept, its surrogate, and the synonyms that are erased along with it (section 4.1).

    target:    the phrase to erase, such as ``"ship"``.
    surrogate: what the model shall draw instead, such as ``"sea"``.
    kind:      one of ``KINDS``; selects the prompt templates.
    synonyms:  other names of the target; they are mapped to the same surrogate.

    Raises ValueError for an empty target or surrogate, an unknown kind, or a target (or synonym) that is
    its own surrogate.
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
                f"The concept '{self.target}' has no surrogate: write what shall be drawn "
                f"instead, as in '{self.target} -> sea'."
            )
        if self.kind not in KINDS:
            raise ValueError(
                f"The concept '{self.target}' has the unknown kind '{self.kind}': "
                f"use one of {', '.join(KINDS)}."
            )
        for phrase in self.phrases:
            if same(phrase) == same(self.surrogate):
                raise ValueError(
                    f"The concept '{phrase}' has itself as its surrogate: choose a different surrogate."
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
    ``=>`` and the arrow character are read as ``->``; ``#`` starts a comment; the same concept twice with the
    same surrogate is merged.

    Raises ValueError: no concept at all, a line without a surrogate, an unknown kind, one concept with two
    surrogates, synonyms of a concept that is not in the list.
    """
    concepts = united((f"line {number}", _parse_line(number, line, kind)) for number, line in numbered(text))
    return with_synonyms(concepts, synonyms)


def with_synonyms(concepts: tuple[Concept, ...], text: str) -> tuple[Concept, ...]:
    """The concepts with more synonyms, written as for ``parse_concepts``; ValueError as there."""
    extra = [("the synonyms", concept) for concept in _mentions(concepts, text)]
    return united([("the list", concept) for concept in concepts] + extra) if extra else concepts


def concept_at(where: str, target: str, surrogate: str, kind: str, synonyms: Iterable[str]) -> Concept:
    """A Concept; its ValueError says where in a list it stands, such as ``"line 3"``."""
    try:
        return Concept(target, surrogate, kind, tuple(synonyms))
    except ValueError as error:
        raise ValueError(f"{where.capitalize()}: {error}") from None


def united(entries: Iterable[tuple[str, Concept]]) -> tuple[Concept, ...]:
    """One concept per target, in order, synonyms united; ``entries`` are concepts with where they stand.

    Raises ValueError when there are none, or when a phrase is sent to two surrogates or has two kinds.
    """
    merged: dict[str, Concept] = {}
    first: dict[str, tuple[str, Concept]] = {}
    for where, concept in entries:
        for phrase in concept.phrases:
            earlier_where, earlier = first.setdefault(same(phrase), (where, concept))
            if same(earlier.surrogate) != same(concept.surrogate):
                raise ValueError(
                    f"The concept '{phrase}' is given twice with different surrogates, "
                    f"'{earlier.surrogate}' and '{concept.surrogate}' ({earlier_where} and "
                    f"{where}): keep one of the two."
                )
        earlier = merged.get(same(concept.target), concept)
        if earlier.kind != concept.kind:
            raise ValueError(
                f"The concept '{concept.target}' is given twice with different kinds, "
                f"'{earlier.kind}' and '{concept.kind}' ({first[same(concept.target)][0]} and "
                f"{where}): keep one of the two."
            )
        merged[same(concept.target)] = replace(earlier, synonyms=_names(earlier, concept))
    if not merged:
        raise ValueError("The list of concepts is empty: write at least one line such as 'ship -> sea'.")
    return tuple(merged.values())


def _names(first: Concept, second: Concept) -> tuple[str, ...]:
    """The synonyms of both mentions of a concept, each once and without the target."""
    names = {same(first.target): first.target}
    for name in (*first.synonyms, *second.synonyms):
        names.setdefault(same(name), name)
    return tuple(names.values())[1:]


def _parse_line(number: int, line: str, kind: str) -> Concept:
    both = sides(line)
    if len(both) != 2 or not all(both):
        raise ValueError(
            f"Line {number} '{line}' is not one target and one surrogate: write it as 'ship -> sea'."
        )
    target, surrogate = both
    kind, target = split_kind(target, kind, f"Line {number} ")
    names: tuple[str, ...] = ()
    if bracket := _SYNONYMS.match(target):
        target, names = bracket[1], split_names(bracket[2])
    return concept_at(f"line {number}", target, surrogate, kind, names)


def split_kind(target: str, kind: str = "object", where: str = "") -> tuple[str, str]:
    """``"style: Van Gogh"`` -> ``("style", "Van Gogh")``; without a prefix the kind is ``kind``.

    Raises ValueError for an unknown kind; ``where`` begins the sentence.
    """
    return prefixed(target, KINDS, kind, where)


def split_names(text: str) -> tuple[str, ...]:
    """``"boat, vessel"`` -> its names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _mentions(concepts: tuple[Concept, ...], text: str) -> Iterable[Concept]:
    """One more mention of each concept that ``text`` names synonyms for."""
    by_target = {same(concept.target): concept for concept in concepts}
    for line in items(text):
        name, colon, names = line.rpartition(":")
        if not colon and len(concepts) > 1:
            raise ValueError(
                f"The synonyms '{line}' do not say which of {len(concepts)} concepts "
                "they belong to: write one line per concept as 'ship: boat, vessel'."
            )
        concept = by_target.get(same(name)) if colon else concepts[0]
        if concept is None:
            raise ValueError(
                f"Synonyms are given for '{name.strip()}', which is not in the list of "
                f"concepts: use one of {', '.join(c.target for c in concepts)}."
            )
        yield replace(concept, synonyms=split_names(names))
