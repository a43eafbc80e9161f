"""Surrogates that are targets of the same list: cat -> dog beside dog -> ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..files.shown import one_line, shown
from .concepts import Concept, canonical, united

TOLD = 3  # sentences in full
WORDS, SPAN = 40, 6  # words of a surrogate that are looked at, and of a phrase found in it


def followed(concepts: tuple[Concept, ...]) -> tuple[tuple[Concept, ...], list[str]]:
    """The concepts with the last surrogate of each chain, and a few sentences that say so.

    Without that, cat -> dog beside dog -> ground would map a cat to what is erased as well. A surrogate that
    has an erased phrase among other words is only told. Raises ValueError if surrogates lead back to their
    own target, or if the end of a chain contains it.
    """
    erased = {canonical(phrase): concept for concept in concepts for phrase in concept.phrases}
    ends: dict[str, str] = {}  # target -> the last surrogate
    for concept in concepts:
        _find_end(concept, erased, ends)
    changed = [concept for concept in concepts if ends[concept.target] != concept.surrogate]
    if changed:
        ended = (replace(concept, surrogate=ends[concept.target]) for concept in concepts)
        concepts = united(("the list", concept) for concept in ended)
    notes = [
        f"The surrogate of {shown(each.target)}, {shown(each.surrogate)}, is erased too, so it gives way to "
        f"{shown(ends[each.target])}."
        for each in changed
    ]
    return concepts, _few(notes) + _few(_naming(concepts, erased))


def _find_end(concept: Concept, erased: Mapping[str, Concept], ends: dict[str, str]) -> None:
    """Set ``ends`` for a concept and for all that its chain passes. Raises ValueError for a circle."""
    passed: dict[str, Concept] = {}  # in order
    while concept.target not in ends:
        if concept.target in passed:
            around = [*passed][[*passed].index(concept.target) :]
            names = " -> ".join(
                map(one_line, [*around[:TOLD], *(["..."] if around[TOLD:] else []), around[0]])
            )
            raise ValueError(f"The surrogates lead back to {shown(around[0])} ({names}): change one of them.")
        passed[concept.target] = concept
        following = erased.get(canonical(concept.surrogate))
        if following is None:
            ends[concept.target] = concept.surrogate
        else:
            concept = following
    ends |= dict.fromkeys(passed, ends[concept.target])


def _naming(concepts: tuple[Concept, ...], erased: Mapping[str, Concept]) -> list[str]:
    """A sentence for each surrogate that has an erased phrase among other words."""
    told = []
    for concept in concepts:
        words = canonical(concept.surrogate).split()[:WORDS]
        spans = (" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, i + 1 + SPAN))
        if found := next((span for span in spans if span in erased), None):
            told.append(
                f"The surrogate of {shown(concept.target)}, {shown(concept.surrogate)}, names "
                f"{shown(found)}, which is erased too: choose another one."
            )
    return told


def _few(sentences: list[str]) -> list[str]:
    more = len(sentences) - TOLD
    return sentences[:TOLD] + ([f"The same is true of {more} more."] if more > 0 else [])
