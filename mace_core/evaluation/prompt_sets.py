"""Which images are generated to score an erasure, and what the judge can answer about them (section 5).

Five groups of prompt sets: erased concepts (efficacy), their synonyms (generality), preserved concepts
(specificity), of which the neighbours are the closest to an erased concept for the text encoder, and concepts
that nobody names. Preserved prompts that name no concept are measured by drift and CLIP score only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..concepts.concepts import Concept, canonical, without_article
from ..concepts.kinds import KINDS
from ..concepts.lines import items, literal, prefixed
from ..concepts.prompts import filled
from ..files.shown import shown

GROUPS = ERASED, SYNONYM, NEIGHBOUR, KEPT, NEVER = ("erased", "synonym", "neighbour", "kept", "never named")
PRESERVED = (NEIGHBOUR, KEPT)
NEIGHBOURS = 3
AUTOMATIC = 9  # with the erased concept, as many as the ten classes of the paper's table 1
SAMPLED = 4  # of so many images, a concept that is one of many drawn ones needs one
LITERAL = "prompt"  # 'prompt: two children on a beach' among the concepts to preserve


@dataclass(frozen=True)
class Vocabulary:
    """What a judge knows.

    concepts: kind -> name -> synonyms, in the order in which they are used if the user names none.
    answers:  per question, answer -> the text that an image is compared with. The first question is what an
              image shows, the others are about how the whole image looks.
    """

    concepts: Mapping[str, Mapping[str, tuple[str, ...]]]
    answers: tuple[Mapping[str, str], ...]

    def kind_of(self, name: str) -> str | None:
        """The kind of a name, None if the judge does not know it."""
        return self._kinds.get(canonical(name))

    @cached_property
    def _kinds(self) -> dict[str, str]:
        known = [(canonical(name), kind) for kind, names in self.concepts.items() for name in names]
        return dict(reversed(known))  # of two kinds, the first

    def synonyms_of(self, concept: Concept) -> tuple[str, ...]:
        """The synonyms that the judge knows for a concept's target."""
        names = self.concepts[concept.kind]
        target = canonical(concept.target)
        return next((synonyms for name, synonyms in names.items() if canonical(name) == target), ())


@dataclass(frozen=True, eq=False)
class PromptSet:
    """The images of one prompt. The judge chooses from ``answers`` (answer -> text); ``expected`` counts.

    given: the phrase is a synonym that the erasure knew, so it does not test generality.
    sampled: it is one of many drawn concepts, so a few images are enough.
    """

    group: str
    phrase: str
    prompt: str
    kind: str
    expected: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    given: bool = False
    sampled: bool = False

    def images_of(self, images: int) -> int:
        """How many images to generate where every other prompt has ``images``."""
        return -(-images // SAMPLED) if self.sampled else images


@dataclass(frozen=True)
class Keep:
    """A concept to preserve, or a prompt that is used as it is (kind ``LITERAL``)."""

    phrase: str
    kind: str


def everyday_vocabulary() -> Vocabulary:
    """The vocabulary of a judge with general knowledge: everyday names, and "person" among them."""
    shown = {
        name: kind.question.format(name)
        for kind in KINDS.values()
        if not kind.whole_image
        for name in kind.everyday
    }
    shown["person"] = KINDS["object"].question.format("person")
    looks = {
        name: kind.question.format(name)
        for kind in KINDS.values()
        if kind.whole_image
        for name in kind.everyday
    }
    return Vocabulary({name: kind.everyday for name, kind in KINDS.items()}, (shown, looks))


def parse_keep(
    text: str,
    concepts: Sequence[Concept],
    vocabulary: Vocabulary,
    called: str = "preserved",
    kinds: Sequence[str] = (*KINDS, LITERAL),
) -> tuple[Keep, ...]:
    """Read what to preserve, one per line: ``cat``, ``style: Monet``, or ``prompt: ...`` to use as it is.

    Without a prefix, the kind is the one the vocabulary knows the name as, or the first concept's.
    called: what errors say of the concepts; kinds: the prefixes the list can have.
    Raises ValueError for a concept that is also erased, an unknown kind, an empty name.
    """
    erased = {canonical(phrase) for concept in concepts for phrase in concept.phrases}
    found: dict[tuple[str, str], Keep] = {}
    for line in items(text):
        usual = vocabulary.kind_of(literal(line)) or concepts[0].kind
        kind, phrase = prefixed(line, kinds, usual, f"Among the {called} concepts, ")
        phrase = phrase if kind == LITERAL else literal(phrase)
        if not phrase:
            raise ValueError(
                f"Among the {called} concepts, {shown(line)} has no name: write 'cat' or 'style: Monet'."
            )
        if canonical(phrase) in erased:
            raise ValueError(
                f"{shown(phrase)} is to be {called} and erased at once: remove it from one of the lists."
            )
        found.setdefault((kind, canonical(phrase)), Keep(phrase, kind))
    return tuple(found.values())


def known_names(concepts: Sequence[Concept], vocabulary: Vocabulary) -> tuple[Keep, ...]:
    """All names of the vocabulary that can be preserved: those of the concepts' kinds first, then objects."""
    erased = {
        canonical(phrase)
        for concept in concepts
        for phrase in (*concept.phrases, *vocabulary.synonyms_of(concept), concept.surrogate)
    }
    kinds = dict.fromkeys((*(concept.kind for concept in concepts), "object"))
    return tuple(
        Keep(name, kind)
        for kind in kinds
        for name, synonyms in vocabulary.concepts[kind].items()
        if not {canonical(each) for each in (name, *synonyms)} & erased
    )


def choose_kept(
    known: Sequence[Keep], nearness: Sequence[float], concepts: Sequence[Concept]
) -> tuple[Keep, ...]:
    """``AUTOMATIC`` of the known names: the neighbours, then the first of the concepts' kinds, and a few
    objects beside styles or persons. nearness: as for ``prompt_sets``.
    """
    near = [known[i] for i in _nearest(nearness, [each.kind == concepts[0].kind for each in known])]
    alike = [each for each in known if each.kind in {concept.kind for concept in concepts}]
    others = [each for each in known if each not in alike][:NEIGHBOURS]
    chosen = dict.fromkeys((*near, *alike))
    return (*list(chosen)[: AUTOMATIC - len(others)], *others)


def prompt_sets(
    concepts: Sequence[Concept],
    synonyms: Sequence[Concept],
    keep: Sequence[Keep],
    nearness: Sequence[float],
    vocabulary: Vocabulary,
    never: Sequence[Keep] = (),
    sampled: bool = False,
) -> tuple[PromptSet, ...]:
    """All prompt sets, group by group.

    concepts: as they were erased; synonyms: the same concepts with all synonyms to test;
    nearness: for each of ``keep``, its greatest similarity to an erased concept; never: what nobody names;
    sampled: whether those were drawn.
    """
    questions = _questions(synonyms, (*keep, *never), vocabulary)

    def asked(group: str, phrase: str, kind: str, name: str, given: bool = False) -> PromptSet:
        expected = _answer(name, questions[kind])
        answers = next(each for each in questions[kind] if expected in each)
        few = sampled and group == NEVER
        return PromptSet(
            group, phrase, filled(KINDS[kind].plain, phrase), kind, expected, answers, given, few
        )

    erased = [asked(ERASED, each.target, each.kind, each.target) for each in concepts]
    tested = [
        asked(SYNONYM, phrase, each.kind, each.target, phrase in concept.synonyms)
        for each, concept in zip(synonyms, concepts, strict=True)
        for phrase in each.synonyms
    ]
    near = _nearest(nearness, [each.kind != LITERAL for each in keep])
    groups: dict[str, list[PromptSet]] = {NEIGHBOUR: [], KEPT: []}
    for number, each in enumerate(keep):
        group = NEIGHBOUR if number in near else KEPT
        groups[group].append(
            PromptSet(KEPT, each.phrase, each.phrase, LITERAL)
            if each.kind == LITERAL
            else asked(group, each.phrase, each.kind, each.phrase)
        )
    nobodys = [asked(NEVER, each.phrase, each.kind, each.phrase) for each in never]
    return (*erased, *tested, *groups[NEIGHBOUR], *groups[KEPT], *nobodys)


def _questions(
    concepts: Sequence[Concept], keep: Sequence[Keep], vocabulary: Vocabulary
) -> dict[str, tuple[dict[str, str], ...]]:
    """Kind -> its questions. Targets, surrogates and preserved concepts are among the answers, synonyms are
    not: as an answer, a synonym would hide its concept."""
    synonyms = {canonical(name) for concept in concepts for name in concept.synonyms}
    questions = [
        {name: text for name, text in answers.items() if canonical(name) not in synonyms}
        for answers in vocabulary.answers
    ]
    named = [(each.target, each.kind) for each in concepts] + [(each.phrase, each.kind) for each in keep]
    named += [(each.surrogate, each.kind) for each in concepts if not KINDS[each.kind].whole_image]
    for name, kind in named:
        known = any(canonical(name) in map(canonical, answers) for answers in questions)
        if kind != LITERAL and not known:
            answers = questions[1 if KINDS[kind].whole_image else 0]
            answers[name] = KINDS[kind].question.format(without_article(name))
    return {
        name: tuple(questions[1:]) if kind.whole_image else tuple(questions[:1])
        for name, kind in KINDS.items()
    }


def _answer(name: str, questions: Sequence[Mapping[str, str]]) -> str:
    wanted = canonical(name)
    return next(answer for answers in questions for answer in answers if canonical(answer) == wanted)


def _nearest(nearness: Sequence[float], allowed: Sequence[bool]) -> list[int]:
    places = [place for place, each in enumerate(allowed) if each]
    return sorted(places, key=lambda place: -nearness[place])[:NEIGHBOURS]
