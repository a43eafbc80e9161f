"""What to erase: target concepts, and the surrogates that take their place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..files.records import Record
from .kinds import KINDS
from .lines import escaped, items, literal, numbered, prefixed, sides, visible

_SYNONYMS = r"^(.*?)\s*(?<!\\)\(((?:[^()\\]|\\.)*)\)$"
_BRACKET, _COMMA = r"(?<!\\)[()]", r"(?<!\\),"
_ARTICLE = r"^(?i:a|an|the)\s+(?=\S)"


def without_article(phrase: str) -> str:
    """``"the ship"`` gives ``"ship"``: the phrase without a leading a, an or the."""
    return re.sub(_ARTICLE, "", phrase)


def canonical(phrase: str) -> str:
    """The form in which two phrases are compared: case, spaces, a leading article, characters without width
    and the Unicode encoding of a letter do not matter."""
    return without_article(" ".join(unicodedata.normalize("NFKC", visible(phrase)).split())).casefold()


def contains(text: str, phrase: str) -> bool:
    """Whether a text contains a phrase as whole words; both in their ``canonical`` form."""
    return phrase in text and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None


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

    Raises ValueError: an empty list, a line without a surrogate, a comma or an unpaired bracket in a target,
    an unknown kind, one concept with two surrogates, a surrogate that contains its target, synonyms of a
    concept that is not in the list.
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


def written(concept: Concept) -> str:
    """The target, synonyms and kind of a concept as a line without the surrogate; it reads back as the
    same."""
    names = f" ({', '.join(map(escaped, concept.synonyms))})" if concept.synonyms else ""
    return f"{concept.kind}: {escaped(concept.target)}{names}"


def united(entries: Iterable[tuple[str, Concept]]) -> tuple[Concept, ...]:
    """One concept per target, in order, with all its synonyms. ``entries`` are (place in the list, concept).

    Raises ValueError if there are no entries, if a phrase has two surrogates or two kinds, or if a surrogate
    contains its target or a synonym.
    """
    merged: dict[str, Concept] = {}
    first: dict[str, tuple[str, Concept]] = {}
    for where, concept in entries:
        surrogate = canonical(concept.surrogate)
        for phrase in concept.phrases:
            if contains(surrogate, canonical(phrase)):
                raise ValueError(
                    f"{where.capitalize()}: The surrogate '{concept.surrogate}' contains '{phrase}', so it "
                    "would still ask for what is erased: choose another surrogate."
                )
            earlier_where, earlier = first.setdefault(canonical(phrase), (where, concept))
            if earlier is not concept and canonical(earlier.surrogate) != surrogate:
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
    if bracket := re.match(_SYNONYMS, target):
        target, names = bracket[1], split_names(bracket[2])
    _check_one_name(f"Line {number}", target, names)
    return concept_at(f"line {number}", literal(target), literal(surrogate), kind, names)


def _check_one_name(where: str, target: str, synonyms: tuple[str, ...]) -> None:
    """Raise ValueError for commas and brackets that can be meant in several ways."""
    whole = escaped(literal(target))
    if re.search(_BRACKET, target):
        raise ValueError(
            f"{where} has a bracket in its target '{target}', but brackets are for synonyms, at the end: "
            f"write it as 'ship (boat, vessel)', or as '{whole}' if the bracket is part of the name."
        )
    if re.search(_COMMA, target):
        first, *others = map(escaped, (*split_names(target), *synonyms, ""))
        several = f"'{first} ({', '.join(others[:-1])})' for synonyms, one line per concept for several"
        raise ValueError(
            f"{where} has a comma in its target '{target}', but a line has one target: write "
            f"{several if len(others) > 1 else repr(first)}, or '{whole}' if the comma is part of the name."
        )


def split_kind(target: str, kind: str = "object", where: str = "") -> tuple[str, str]:
    """``"style: Van Gogh"`` gives ``("style", "Van Gogh")``; without a prefix the kind is ``kind``.

    Raises ValueError for an unknown kind; ``where`` starts its message.
    """
    return prefixed(target, KINDS, kind, where)


def split_names(text: str) -> tuple[str, ...]:
    """``"boat, vessel"`` gives ``("boat", "vessel")``."""
    return tuple(name for name in map(literal, re.split(_COMMA, text)) if name)


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
        concept = by_target.get(canonical(literal(name))) if colon else concepts[0]
        if concept is None:
            raise ValueError(
                f"Synonyms are given for '{name.strip()}', which is not in the list of "
                f"concepts: use one of {', '.join(c.target for c in concepts)}."
            )
        yield replace(concept, synonyms=split_names(names))
