"""What a text encoder itself says before anything is erased: which surrogate is near, which names suffer.

Stage 1 moves embeddings, so what lies next to a concept's embeddings moves along with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..concepts.concepts import Concept, parse_concepts, same
from ..concepts.everyday import EVERYDAY, SURROGATES
from ..concepts.lines import numbered, sides
from ..encoder.similarity import shared_words, similarities
from ..encoder.text_encoder import TextEncoder

UNDECIDED = "?"
AT_RISK = 5
# Cosine between centred phrases. On the bundled miniature, synonyms it was taught have 0.8 and more (5 %
# quantile), a concept's nearest other concept 0.33 and less (95 % quantile), two persons who share a name
# up to 0.6.
NEAR_SYNONYM = 0.6
FAINT = 0.3  # below this, a surrogate is no closer to its target than any other word


@dataclass(frozen=True)
class Suggestion:
    """``surrogates`` and ``at_risk``: (name, cosine), nearest first. ``concept`` holds the chosen one."""

    concept: Concept
    surrogates: tuple[tuple[str, float], ...]
    at_risk: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]


def parse_targets(text: str, kind: str = "object") -> tuple[Concept, ...]:
    """Concepts as in ``parse_concepts``, but a line may leave the surrogate out: it is then UNDECIDED."""
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
    """For every target the candidates by nearness, and of ``keep`` and everyday names those most at risk.

    candidates: added to the kind's own. The nearest is chosen that is neither a near-synonym of the target
    nor erased itself; a surrogate that a target has already is left as it is.
    """
    erased = {same(phrase) for concept in targets for phrase in concept.phrases}
    suggestions = []
    for number, concept in enumerate(targets):
        choices = [
            name
            for name in dict.fromkeys((*candidates, *SURROGATES[concept.kind]))
            if same(name) not in erased
        ]
        everyday = (
            name
            for name, synonyms in EVERYDAY[concept.kind].items()
            if not {same(each) for each in synonyms} & erased
        )
        named = [name for name in dict.fromkeys((*keep, *everyday)) if same(name) not in erased]
        near = similarities(encoder, [concept.target], [*choices, *named])[0].tolist()
        suggestions.append(
            _suggestion(
                encoder,
                concept,
                _ranked(choices, near[: len(choices)]),
                _ranked(named, near[len(choices) :]),
                {same(name) for name in keep},
            )
        )
        if progress is not None:
            progress(number + 1, len(targets))
    return tuple(suggestions)


def concept_lines(suggestions: Iterable[Suggestion]) -> str:
    """The concepts as Erase Concepts reads them, one a line."""
    return "\n".join(_line(each.concept) for each in suggestions)


def report(suggestions: Iterable[Suggestion]) -> str:
    """What the text encoder says about each target, in a few lines each; 1.00 means the same to it."""
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


def _suggestion(encoder, concept, surrogates, named, keep) -> Suggestion:
    fitting = [name for name, near in surrogates if near < NEAR_SYNONYM] or [name for name, _ in surrogates]
    warnings = []
    if concept.surrogate == UNDECIDED:
        if not fitting:
            raise ValueError(
                f"There is no surrogate left for '{concept.target}', all candidates are to be "
                "erased themselves: add another candidate."
            )
        concept = replace(concept, surrogate=fitting[0])
        if len(surrogates) > 1 and dict(surrogates)[fitting[0]] < FAINT:
            warnings.append(
                f"no candidate is near it: '{fitting[0]}' is only the nearest, choose what fits in its place"
            )
    for name, near in named:
        if words := shared_words(encoder, concept.target, name):
            warnings.append(
                f"'{name}' shares {', '.join(map(repr, words))} with it: give it to Preserve Prior"
            )
        elif near >= NEAR_SYNONYM and same(name) in keep:
            warnings.append(
                f"'{name}' shall stay but means nearly the same here ({near:.2f}): "
                "it is erased along unless Preserve Prior holds it"
            )
        elif near >= NEAR_SYNONYM:
            warnings.append(
                f"'{name}' means nearly the same here ({near:.2f}): add it as a synonym, "
                "or give it to Preserve Prior"
            )
    return Suggestion(concept, tuple(surrogates), tuple(named[:AT_RISK]), tuple(warnings))


def _ranked(names: Sequence[str], near: Sequence[float]) -> list[tuple[str, float]]:
    return sorted(zip(names, near, strict=True), key=lambda each: -each[1])


def _line(concept: Concept) -> str:
    synonyms = f" ({', '.join(concept.synonyms)})" if concept.synonyms else ""
    return f"{concept.kind}: {concept.target}{synonyms} -> {concept.surrogate}"
