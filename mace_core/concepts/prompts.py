"""The prompts a concept is erased in, each paired with the same prompt about its surrogate (section 4.1).

The templates are our own. The phrase stands at the start, in the middle and at the end, because the tokens
around it are matched by position (see ``alignment``). A template may supply the article:
``a {}``, ``the {}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from .concepts import Concept, same, without_article

_OBJECT = (
    "{}",
    "a {}",
    "the {}",
    "a photo of the {}",
    "a photo of a {}",
    "an image of the {}",
    "a picture of a {}",
    "a close photo of the {}",
    "a small {} far away",
    "a large {} in the middle of the picture",
    "the {} in the morning light",
    "the {} on a rainy day",
    "the {} in winter",
    "a {} at night, long exposure",
    "a {} seen from above",
    "a {} seen from the side",
    "{}, black and white photograph",
    "{}, a simple drawing",
    "{} in soft light, 35 mm film",
    "{} close up, sharp focus",
    "a drawing of the {} in pencil",
    "a painting of the {} in oil",
    "a watercolour of a {} on white paper",
    "a poster with a {} on a plain background",
    "a cartoon of the {} for children",
    "a postcard showing the {} under a blue sky",
    "a black and white photo of the {}",
    "a sepia photo of an old {}",
    "my favourite picture of the {}",
    "someone took a photo of the {} yesterday",
    "here you can see the {} very clearly",
    "a bright and colourful picture of the {}",
    "a sharp, detailed photograph of one {}",
    "a blurred snapshot of the {} in motion",
    "this is a {}",
)

_PERSON = (
    "{}",
    "a photo of {}",
    "a portrait of {}",
    "a picture of {}",
    "a close portrait of {}",
    "the face of {}",
    "{} smiling at the camera",
    "{} looking out of a window",
    "{} walking down a street",
    "{} sitting on a wooden chair",
    "{} reading a newspaper",
    "{} giving a talk on a stage",
    "{} in a dark coat",
    "{} with a hat",
    "{}, head and shoulders, plain background",
    "{}, studio light, 85 mm",
    "a black and white photo of {}",
    "a sepia photo of {} in a frame",
    "a drawing of {} in pencil",
    "an oil painting of {} in a museum",
    "a watercolour of {} on white paper",
    "a cartoon of {} in bright colours",
    "a poster with {} on it",
    "a photo of {} at the seaside",
    "a photo of {} in the garden",
    "a photo of {} at a dinner table",
    "a press photo of {} at an opening night",
    "a passport photo of {}",
    "a snapshot of {} among friends",
    "an interview with {}",
    "on the cover of the magazine is {}",
    "here you can see {} as a young adult",
    "a bronze statue of {}",
)

_STYLE = (
    "{}",
    "a painting by {}",
    "a drawing by {}",
    "a picture by {}",
    "a painting in the style of {}",
    "a picture in the style of {}",
    "a landscape in the style of {}",
    "a portrait in the style of {}",
    "a still life in the style of {}",
    "a street at night in the style of {}",
    "a field of flowers in the style of {}",
    "a harbour in the style of {}",
    "a mountain in the style of {}",
    "an animal in the style of {}",
    "a house by {} with a red roof",
    "a garden by {} in summer",
    "a self portrait by {} on canvas",
    "an early work by {} on paper",
    "{} style",
    "{} style painting of a village",
    "{} style picture of a tree",
    "{} style portrait of a woman",
    "{} style drawing of a bridge",
    "{}, oil on canvas",
    "{}, a famous painting",
    "{}, brush strokes, detail",
    "inspired by {}, a quiet river",
    "in the manner of {}, a table with fruit",
    "as {} would have painted it",
    "the well known brushwork of {} in close view",
    "a museum room full of pictures by {}",
    "a print after {} in a simple frame",
    "a copy of a picture by {}",
)

_EXPLICIT = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "a picture showing {}",
    "an image with {}",
    "a close photo of {}",
    "a film still with {}",
    "a photo of {} in a studio",
    "a photo of {} on a bed",
    "a photo of {} at the beach",
    "a photo of {} by a window",
    "a photo of {} in a bathroom",
    "a black and white photo of {}",
    "a sepia photo of {}",
    "a magazine cover with {}",
    "a drawing of {} in pencil",
    "a painting of {} in oil",
    "a watercolour of {} on paper",
    "a comic page with {}",
    "a marble sculpture, {}",
    "a poster with {} on a wall",
    "{} in soft light",
    "{} in an old painting",
    "{} on a stage",
    "{}, studio photograph",
    "{}, detailed, 85 mm",
    "{}, a sketch",
    "a woman, {}, full figure",
    "a man, {}, full figure",
    "two people, {}, indoors",
    "a young adult, {}, portrait",
    "the theme of the picture is {}",
    "a scene with {} in the evening",
)

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "object": _OBJECT,
    "person": _PERSON,
    "style": _STYLE,
    "explicit": _EXPLICIT,
}

_ARTICLE_AT_END = re.compile(r"(?:^|\s)(a|the) $")


@dataclass(frozen=True)
class PromptPair:
    """One prompt about a target concept and the same prompt about its surrogate concept.

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

    Templates that name another concept, by ``naming`` (``templates_naming``), are left out; the phrase alone
    never is.
    """
    templates = [
        each
        for each in TEMPLATES[concept.kind]
        if not (naming or {}).get(each, set()) - {same(concept.target)}
    ]
    return tuple(
        _fill(template, phrase, concept.surrogate) for phrase in concept.phrases for template in templates
    )


def templates_naming(concepts: Sequence[Concept]) -> dict[str, frozenset[str]]:
    """Template -> targets it names, as ``same`` has them: "a sepia photo of an old {}" names the style sepia.

    In such a prompt about a fox, stage 1 would map the word sepia to itself while it erases sepia.
    """
    named: dict[str, set[str]] = {}
    phrases = [(same(phrase), same(concept.target)) for concept in concepts for phrase in concept.phrases]
    for template in (each for templates in TEMPLATES.values() for each in templates):
        text = template.casefold()
        for phrase, target in phrases:
            if phrase in text and re.search(rf"\b{re.escape(phrase)}\b", text):
                named.setdefault(template, set()).add(target)
    return {template: frozenset(targets) for template, targets in named.items()}


def _fill(template: str, phrase: str, surrogate: str) -> PromptPair:
    before, after = template.split("{}")
    if article := _ARTICLE_AT_END.search(before):
        phrase, surrogate = without_article(phrase), without_article(surrogate)
        # The article follows the target in both prompts: words before the phrase must map to themselves.
        if article[1] == "a" and phrase[0].lower() in "aeiou":
            before = before[:-1] + "n "
    return PromptPair(before + phrase + after, before + surrogate + after, phrase, surrogate, before)
