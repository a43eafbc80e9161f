"""What to erase: target concepts, and the surrogates that take their place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from ..files.records import Record
from ..files.shown import shown, shown_each
from .kinds import KINDS
from .lines import escaped, items, literal, numbered, prefixed, sides, unfit, visible

_SYNONYMS = r"(?<!\\)\(((?:[^()\\]|\\.)*)\)$"
_BRACKET, _COMMA = r"(?<!\\)[()]", r"(?<!\\),"
_ARTICLE = r"^(?i:a|an|the)\s+(?=\S)"
MOST_PHRASES = (
    20_000  # targets and synonyms of a list: ten thousand concepts with a synonym, read in a second
)


def without_article(phrase: str) -> str:
    """``"the ship"`` gives ``"ship"``: the phrase without a leading a, an or the."""
    return re.sub(_ARTICLE, "", phrase)


@lru_cache(256)  # a phrase is compared several times in a row
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
                f"The concept {shown(self.target)} has no surrogate: add what to generate "
                f"instead, as in 'ship -> sea'."
            )
        for phrase in (*self.phrases, self.surrogate):
            if why := unfit(phrase):
                raise ValueError(f"The name {shown(phrase)} {why}: correct it.")
        if self.kind not in KINDS:
            raise ValueError(
                f"The concept {shown(self.target)} has the unknown kind {shown(self.kind)}: "
                f"use one of {', '.join(KINDS)}."
            )
        surrogate = canonical(self.surrogate)
        for phrase in self.phrases:
            if canonical(phrase) == surrogate:
                raise ValueError(
                    f"The concept {shown(phrase)} is its own surrogate: choose a different surrogate."
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

    Raises ValueError if there are no entries or more than MOST_PHRASES phrases, if a phrase has two
    surrogates or two kinds, or if a surrogate contains its target or a synonym.
    """
    merged: dict[str, Concept] = {}
    names: dict[str, dict[str, str]] = {}  # canonical target -> canonical phrase -> phrase
    first: dict[str, tuple[str, Concept]] = {}
    count = 0
    for where, concept in entries:
        count += len(concept.phrases)
        if count > MOST_PHRASES:
            raise ValueError(
                f"The list has more than {MOST_PHRASES} targets and synonyms: split it into shorter lists."
            )
        phrases: dict[str, str] = {}
        for phrase in concept.phrases:
            phrases.setdefault(canonical(phrase), phrase)
        _check_surrogate(where, concept, phrases, first)
        target = canonical(concept.target)
        earlier = merged.setdefault(target, concept)
        if earlier.kind != concept.kind:
            raise ValueError(
                f"The concept {shown(concept.target)} has two kinds, {shown(earlier.kind)} and "
                f"{shown(concept.kind)} ({first[target][0]} and {where}): remove one of them."
            )
        known = names.setdefault(target, {target: concept.target})
        for name, phrase in phrases.items():
            known.setdefault(name, phrase)
    if not merged:
        raise ValueError("The list of concepts is empty: add at least one line such as 'ship -> sea'.")
    return tuple(
        replace(concept, synonyms=tuple(names[target].values())[1:]) for target, concept in merged.items()
    )


def _check_surrogate(
    where: str, concept: Concept, phrases: Mapping[str, str], first: dict[str, tuple[str, Concept]]
) -> None:
    """Raise ValueError if the surrogate contains a phrase, or if a phrase had another surrogate before.

    first: canonical phrase -> the entry that named it first; new phrases are added.
    """
    surrogate = canonical(concept.surrogate)
    for name, phrase in phrases.items():
        if contains(surrogate, name):
            raise ValueError(
                f"{where.capitalize()}: The surrogate {shown(concept.surrogate)} contains {shown(phrase)}, "
                "so it would still ask for what is erased: choose another surrogate."
            )
        earlier_where, earlier = first.setdefault(name, (where, concept))
        if earlier is not concept and canonical(earlier.surrogate) != surrogate:
            raise ValueError(
                f"The concept {shown(phrase)} has two surrogates, {shown(earlier.surrogate)} and "
                f"{shown(concept.surrogate)} ({earlier_where} and {where}): remove one of them."
            )


def _parse_line(number: int, line: str, kind: str) -> Concept:
    both = sides(line)
    if len(both) != 2 or not all(both):
        raise ValueError(
            f"Line {number} {shown(line)} does not have one target and one surrogate: "
            "write it as 'ship -> sea'."
        )
    target, surrogate = both
    kind, target = split_kind(target, kind, f"Line {number} ")
    names: tuple[str, ...] = ()
    if bracket := re.search(_SYNONYMS, target):
        target, names = target[: bracket.start()].rstrip(), split_names(bracket[1])
    _check_one_name(f"Line {number}", target, names)
    return concept_at(f"line {number}", literal(target), literal(surrogate), kind, names)


def _check_one_name(where: str, target: str, synonyms: tuple[str, ...]) -> None:
    """Raise ValueError for commas and brackets that can be meant in several ways."""
    if re.search(_BRACKET, target):
        whole = escaped(literal(target))
        raise ValueError(
            f"{where} has a bracket in its target {shown(target)}, but brackets are for synonyms, "
            f"at the end: write it as 'ship (boat, vessel)', or as {shown(whole)} if the bracket is "
            "part of the name."
        )
    if re.search(_COMMA, target):
        first, *others = map(escaped, (*split_names(target), *synonyms, ""))
        whole, several = escaped(literal(target)), f"{first} ({', '.join(others[:-1])})"
        meant = (
            f"{shown(several)} for synonyms, one line per concept for several" if others[1:] else shown(first)
        )
        raise ValueError(
            f"{where} has a comma in its target {shown(target)}, but a line has one target: write "
            f"{meant}, or {shown(whole)} if the comma is part of the name."
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
                f"The synonyms {shown(line)} do not say which of {len(concepts)} concepts "
                "they belong to: write one line per concept, as in 'ship: boat, vessel'."
            )
        concept = by_target.get(canonical(literal(name))) if colon else concepts[0]
        if concept is None:
            raise ValueError(
                f"Synonyms are given for {shown(name.strip())}, which is not in the list of "
                f"concepts: use one of {shown_each(c.target for c in concepts)}."
            )
        yield replace(concept, synonyms=split_names(names))
