"""The prompts a concept is erased in, each paired with the same prompt about its surrogate (section 4.1).

The phrase stands at the start, in the middle and at the end of the templates, because the tokens around it
are matched by position (see ``encoder/alignment.py``). A template may supply the article: ``a {}``, ``the
{}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from .concepts import Concept, canonical, contains, without_article
from .kinds import KINDS
from .kinds.kind import PARTNERS

_ARTICLE_AT_END = r"(?:^|\s)(a|the) $"


@dataclass(frozen=True)
class PromptPair:
    """One prompt about a target, and the same prompt about its surrogate.

    ``target`` contains ``phrase`` and ``surrogate`` contains ``surrogate_phrase``, both right after the words
    ``before``, which the two prompts share.
    """

    target: str
    surrogate: str
    phrase: str
    surrogate_phrase: str
    before: str = ""


def prompt_pairs(concept: Concept, naming: Mapping[str, Set[str]] | None = None) -> tuple[PromptPair, ...]:
    """Every template of the concept's kind, filled with the target and with each synonym.

    Templates that name another concept, according to ``naming`` (from ``templates_naming``), are left out.
    The phrase alone is always included.
    """
    templates = [
        template
        for template in KINDS[concept.kind].templates
        if not (naming or {}).get(template, set()) - {canonical(concept.target)}
    ]
    return tuple(
        _fill(template, phrase, concept.surrogate) for phrase in concept.phrases for template in templates
    )


def plain_prompt(concept: Concept) -> PromptPair:
    """The plainest of the concept's prompts: its training images are generated with it (section 4.2)."""
    kind = KINDS[concept.kind]
    return prompt_pairs(concept)[kind.templates.index(kind.plain)]


def prompts_beside(concept: Concept) -> tuple[list[PromptPair], list[PromptPair]]:
    """Prompts with a second object, phrase by phrase: with the phrase after each of PARTNERS, and before it.

    Partners that name the concept are left out. Without templates of the kind, or partners, both are empty.
    """
    templates = KINDS[concept.kind].beside
    partners = [
        (partner, templates[number % len(templates)])
        for number, partner in enumerate(PARTNERS if templates else ())
        if not any(contains(partner, canonical(phrase)) for phrase in concept.phrases)
    ]
    after, before = (
        [
            _fill(both[place].replace("{other}", partner), phrase, concept.surrogate)
            for phrase in concept.phrases
            for partner, both in partners
        ]
        for place in (0, 1)
    )
    return after, before


def prompts_of_namesakes(concept: Concept) -> list[PromptPair]:
    """Prompts about people who share the first or the last name of one of the concept's phrases, by the bare
    name and in the plainest prompt; empty for kinds without such names, and for names of one word.

    A namesake whose name has another phrase in it is erased too: "Anna Doe", if "Doe" is a synonym.
    """
    kind = KINDS[concept.kind]
    firsts, lasts = kind.namesakes
    split = [phrase.split() for phrase in concept.phrases if " " in phrase]
    names = [f"{first} {words[-1]}" for words in split for first in firsts]
    names += [f"{words[0]} {last}" for words in split for last in lasts]
    erased = {canonical(phrase) for phrase in concept.phrases}
    return [
        _fill(template, name, concept.surrogate)
        for name in dict.fromkeys(names)
        if not any(contains(canonical(name), phrase) for phrase in erased)
        for template in ("{}", kind.plain)
    ]


def templates_naming(concepts: Sequence[Concept]) -> dict[str, frozenset[str]]:
    """Template -> canonical targets that it names: "a sepia photo of an old {}" names the style sepia.

    In such a prompt about a fox, stage 1 would map the word sepia to itself while it erases sepia.
    """
    named: dict[str, set[str]] = {}
    phrases = [
        (canonical(phrase), canonical(concept.target)) for concept in concepts for phrase in concept.phrases
    ]
    for template in (template for kind in KINDS.values() for template in kind.templates):
        text = template.casefold()
        for phrase, target in phrases:
            if contains(text, phrase):
                named.setdefault(template, set()).add(target)
    return {template: frozenset(targets) for template, targets in named.items()}


def filled(template: str, phrase: str) -> str:
    """The template with the phrase in its gap, and one article: "a photo of an airplane"."""
    return _fill(template, phrase, phrase).target


def joined(before: str, phrase: str, after: str) -> str:
    """A phrase between two parts of a template.

    Punctuation that follows a phrase in punctuation is kept apart: CLIP's tokenizer would make one token of
    "!,", so that the phrase had other tokens in each prompt, and its comma no match in the other prompt.
    """
    apart = after and not after[0].isspace() and not phrase[-1:].isalnum()
    return f"{before}{phrase}{' ' if apart else ''}{after}"


def _fill(template: str, phrase: str, surrogate: str) -> PromptPair:
    before, after = template.split("{}")
    if article := re.search(_ARTICLE_AT_END, before):
        phrase, surrogate = without_article(phrase), without_article(surrogate)
        # Both prompts use the target's article: words before the phrase must map to themselves.
        if article[1] == "a" and phrase[0].lower() in "aeiou":
            before = before[:-1] + "n "
    return PromptPair(
        joined(before, phrase, after), joined(before, surrogate, after), phrase, surrogate, before
    )
