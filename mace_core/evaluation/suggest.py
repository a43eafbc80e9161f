"""What the text encoder can tell before anything is erased: close surrogates, and concepts at risk.

Stage 1 moves embeddings, so whatever is close to a concept's embeddings moves with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from ..concepts.concepts import Concept, canonical, contains, parse_concepts, written
from ..concepts.kinds import KINDS
from ..concepts.lines import numbered, sides
from ..encoder.similarity import shared_words, similarities
from ..encoder.text_encoder import TextEncoder
from ..files.shown import shown, shown_each

UNDECIDED = "?"
AT_RISK = 5
# Cosine of centred phrases. On the bundled miniature, 95 % of the synonyms it was trained with have at least
# 0.8, 95 % of the concepts have no other concept above 0.33, and two persons who share a name have up to 0.6.
NEAR_SYNONYM = 0.6
FAINT = 0.3  # below this, a surrogate is no closer to its target than any other word


@dataclass(frozen=True)
class Suggestion:
    """``surrogates`` and ``at_risk``: (name, cosine), closest first. ``concept`` has the chosen surrogate."""

    concept: Concept
    surrogates: tuple[tuple[str, float], ...]
    at_risk: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]


def parse_targets(text: str, kind: str = "object") -> tuple[Concept, ...]:
    """Concepts as in ``parse_concepts``; a line can omit the surrogate, which is then UNDECIDED."""
    lines = text.splitlines()
    for number, item in numbered(text):
        lines[number - 1] = item if len(sides(item)) > 1 else f"{item} -> {UNDECIDED}"
    return parse_concepts("\n".join(lines), kind)


def suggest(
    encoder: TextEncoder,
    targets: Sequence[Concept],
    candidates: Sequence[str] = (),
    keep: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Suggestion, ...]:
    """For each target, the candidates by similarity, and the names in ``keep`` and everyday names most at
    risk.

    candidates: added to those of the kind. The closest one is chosen that is neither nearly a synonym of the
    target nor erased itself, and does not contain the target. A target that already has a surrogate keeps it.
    ``progress(done, total)`` is called after each target. Raises ValueError if a target has no candidate.
    """
    erased = {canonical(phrase) for concept in targets for phrase in concept.phrases}
    suggestions = []
    for number, concept in enumerate(targets):
        choices = [
            name
            for name in dict.fromkeys((*candidates, *KINDS[concept.kind].surrogates))
            if canonical(name) not in erased
            and not any(contains(canonical(name), canonical(phrase)) for phrase in concept.phrases)
        ]
        everyday = (
            name
            for name, synonyms in KINDS[concept.kind].everyday.items()
            if not {canonical(each) for each in synonyms} & erased
        )
        named = [name for name in dict.fromkeys((*keep, *everyday)) if canonical(name) not in erased]
        near = similarities(encoder, [concept.target], [*choices, *named])[0].tolist()
        suggestions.append(
            _suggestion(
                encoder,
                concept,
                _ranked(choices, near[: len(choices)]),
                _ranked(named, near[len(choices) :]),
                {canonical(name) for name in keep},
            )
        )
        if progress is not None:
            progress(number + 1, len(targets))
    return tuple(suggestions)


def concept_lines(suggestions: Iterable[Suggestion]) -> str:
    """The concepts as Erase Concepts reads them, one per line."""
    return "\n".join(_line(each.concept) for each in suggestions)


def report(suggestions: Iterable[Suggestion]) -> str:
    """A few lines per target; similarities are cosines, 1.00 for the same meaning."""
    blocks = []
    for each in suggestions:
        lines = [
            f"{_line(each.concept)}",
            f"  surrogates: {_named(each.surrogates[:AT_RISK])}",
            f"  most at risk: {_named(each.at_risk)}",
        ]
        blocks.append("\n".join(lines + [f"  ! {warning}" for warning in each.warnings]))
    return "\n\n".join(blocks)


def _named(names: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {near:.2f}" for name, near in names) or "none known"


def _suggestion(
    encoder: TextEncoder,
    concept: Concept,
    surrogates: Sequence[tuple[str, float]],
    named: Sequence[tuple[str, float]],
    keep: Set[str],
) -> Suggestion:
    fitting = [name for name, near in surrogates if near < NEAR_SYNONYM] or [name for name, _ in surrogates]
    warnings = []
    if concept.surrogate == UNDECIDED:
        if not fitting:
            raise ValueError(
                f"There is no surrogate for {shown(concept.target)}, all candidates are erased or "
                "contain it: add another candidate."
            )
        concept = replace(concept, surrogate=fitting[0])
        if len(surrogates) > 1 and dict(surrogates)[fitting[0]] < FAINT:
            warnings.append(
                f"no candidate is similar: {shown(fitting[0])} is only the closest, choose your own surrogate"
            )
    for name, near in named:
        if words := shared_words(encoder, concept.target, name):
            warnings.append(f"{shown(name)} shares {shown_each(words)} with it: add it to Preserve Prior")
        elif near >= NEAR_SYNONYM and canonical(name) in keep:
            warnings.append(
                f"{shown(name)} is to be preserved but means nearly the same ({near:.2f}): "
                "it is erased too unless it is in Preserve Prior"
            )
        elif near >= NEAR_SYNONYM:
            warnings.append(
                f"{shown(name)} means nearly the same ({near:.2f}): add it as a synonym, or to Preserve Prior"
            )
    return Suggestion(concept, tuple(surrogates), tuple(named[:AT_RISK]), tuple(warnings))


def _ranked(names: Sequence[str], near: Sequence[float]) -> list[tuple[str, float]]:
    return sorted(zip(names, near, strict=True), key=lambda each: -each[1])


def _line(concept: Concept) -> str:
    return f"{written(concept)} -> {concept.surrogate}"
