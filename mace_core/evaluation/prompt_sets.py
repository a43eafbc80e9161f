"""What is drawn to find out whether concepts are gone, and what the judge may answer (section 5).

Four groups of prompt sets: the erased concepts (efficacy), their synonyms (generality), and what shall stay
(specificity), of which the neighbours are the nearest to an erased concept for the text encoder. Prompts
to keep that name no concept are measured by drift and CLIP score alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..concepts.concepts import KINDS, Concept, same, without_article
from ..concepts.drawing import DRAWN_WITH
from ..concepts.everyday import EVERYDAY
from ..concepts.lines import items, prefixed

GROUPS = ("erased", "synonym", "neighbour", "kept")
NEIGHBOURS = 3
AUTOMATIC = 9  # with the erased one the ten classes of table 1
LITERAL = "prompt"  # 'prompt: two children on a beach' among the concepts to keep
JUDGED_AS = {**DRAWN_WITH, "object": "a photo of a {}"}


@dataclass(frozen=True)
class Vocabulary:
    """What a judge knows.

    concepts: kind -> name -> synonyms, in the order in which they are taken when the user names none.
    answers:  per question, answer -> the text a picture is compared with. The first question is what a
              picture shows, the second its style.
    """

    concepts: Mapping[str, Mapping[str, tuple[str, ...]]]
    answers: tuple[Mapping[str, str], ...]

    def kind_of(self, name: str) -> str | None:
        return next((kind for kind, names in self.concepts.items() if same(name) in map(same, names)), None)

    def synonyms_of(self, concept: Concept) -> tuple[str, ...]:
        names = self.concepts[concept.kind]
        return next((synonyms for name, synonyms in names.items() if same(name) == same(concept.target)), ())


@dataclass(frozen=True, eq=False)
class PromptSet:
    """Pictures of one prompt. The judge chooses from ``answers`` (answer -> text); ``expected`` counts.

    given: a synonym that the erasure was told, and so no test of generality.
    """

    group: str
    phrase: str
    prompt: str
    kind: str
    expected: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    given: bool = False


@dataclass(frozen=True)
class Keep:
    """A concept that shall stay, or a prompt that is drawn as it is (kind ``LITERAL``)."""

    phrase: str
    kind: str


def everyday_vocabulary() -> Vocabulary:
    """For a judge that knows the world: coarse everyday names, and a person among them."""
    subjects = {name: JUDGED_AS["object"].format(name) for name in (*EVERYDAY["object"], "person")}
    styles = {name: JUDGED_AS["style"].format(name) for name in EVERYDAY["style"]}
    return Vocabulary(EVERYDAY, (subjects, styles))


def parse_keep(text: str, concepts: Sequence[Concept], vocabulary: Vocabulary) -> tuple[Keep, ...]:
    """One concept a line, ``cat`` or ``style: Monet``; ``prompt: ...`` is drawn as it is; ``#`` comments.

    Without a kind it is the one the vocabulary knows the name as, or the first concept's.
    Raises ValueError for something that is to be erased as well, an unknown kind, an empty name.
    """
    erased = {same(phrase) for concept in concepts for phrase in concept.phrases}
    found: dict[tuple[str, str], Keep] = {}
    for line in items(text):
        usual = vocabulary.kind_of(line) or concepts[0].kind
        kind, phrase = prefixed(line, (*KINDS, LITERAL), usual, "Among the concepts to keep, ")
        if not phrase:
            raise ValueError(
                f"Among the concepts to keep, '{line}' has no name: write 'cat' or 'style: Monet'."
            )
        if same(phrase) in erased:
            raise ValueError(f"'{phrase}' is to be kept and erased at once: take it off one of the lists.")
        found.setdefault((kind, same(phrase)), Keep(phrase, kind))
    return tuple(found.values())


def known_names(concepts: Sequence[Concept], vocabulary: Vocabulary) -> tuple[Keep, ...]:
    """All of the vocabulary that may be kept: the concepts' kinds first, then objects."""
    erased = {
        same(phrase)
        for concept in concepts
        for phrase in (*concept.phrases, *vocabulary.synonyms_of(concept), concept.surrogate)
    }
    kinds = dict.fromkeys((*(concept.kind for concept in concepts), "object"))
    return tuple(
        Keep(name, kind)
        for kind in kinds
        for name, synonyms in vocabulary.concepts[kind].items()
        if not {same(each) for each in (name, *synonyms)} & erased
    )


def choose_kept(
    known: Sequence[Keep], nearness: Sequence[float], concepts: Sequence[Concept]
) -> tuple[Keep, ...]:
    """``AUTOMATIC`` of them: the neighbours, then the first of the concepts' kinds, and at least a few
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
) -> tuple[PromptSet, ...]:
    """Everything that is drawn, group after group.

    concepts: as they were erased; synonyms: the same with all synonyms to test;
    nearness: of each of ``keep`` the greatest similarity to an erased concept.
    """
    questions = _questions(synonyms, keep, vocabulary)
    near = _nearest(nearness, [each.kind != LITERAL for each in keep])

    def asked(group: str, phrase: str, kind: str, expected: str, given: bool = False) -> PromptSet:
        answers = next(each for each in questions[kind] if expected in each)
        return PromptSet(group, phrase, DRAWN_WITH[kind].format(phrase), kind, expected, answers, given)

    erased = [
        asked("erased", each.target, each.kind, _answer(each.target, questions[each.kind]))
        for each in concepts
    ]
    tested = [
        asked(
            "synonym",
            phrase,
            each.kind,
            _answer(each.target, questions[each.kind]),
            phrase in concept.synonyms,
        )
        for each, concept in zip(synonyms, concepts, strict=True)
        for phrase in each.synonyms
    ]
    groups = {"neighbour": [], "kept": []}
    for number, each in enumerate(keep):
        group = groups["neighbour" if number in near else "kept"]
        group.append(
            PromptSet("kept", each.phrase, each.phrase, LITERAL)
            if each.kind == LITERAL
            else asked(
                "neighbour" if number in near else "kept",
                each.phrase,
                each.kind,
                _answer(each.phrase, questions[each.kind]),
            )
        )
    return (*erased, *tested, *groups["neighbour"], *groups["kept"])


def _questions(concepts, keep, vocabulary) -> dict[str, tuple[dict[str, str], ...]]:
    """Kind -> its questions, with the concepts and what is kept among the answers, synonyms not."""
    questions = [dict(answers) for answers in vocabulary.answers]
    other_names = {same(name) for concept in concepts for name in concept.synonyms}
    questions = [
        {name: text for name, text in answers.items() if same(name) not in other_names}
        for answers in questions
    ]
    named = [(each.target, each.kind) for each in concepts] + [(each.phrase, each.kind) for each in keep]
    named += [(each.surrogate, each.kind) for each in concepts if each.kind != "style"]
    for name, kind in named:
        if kind != LITERAL and not any(same(name) in map(same, answers) for answers in questions):
            questions[kind == "style"][name] = JUDGED_AS[kind].format(without_article(name))
    return {kind: tuple(questions[1:]) if kind == "style" else tuple(questions[:1]) for kind in KINDS}


def _answer(name: str, questions: Sequence[Mapping[str, str]]) -> str:
    return next(answer for answers in questions for answer in answers if same(answer) == same(name))


def _nearest(nearness: Sequence[float], may: Sequence[bool]) -> list[int]:
    places = [place for place, allowed in enumerate(may) if allowed]
    return sorted(places, key=lambda place: -nearness[place])[:NEIGHBOURS]
