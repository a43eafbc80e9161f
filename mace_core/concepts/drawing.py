"""The prompt a concept's training images are drawn with, and found again in (section 4.2)."""

from __future__ import annotations

from .concepts import Concept
from .prompts import TEMPLATES, PromptPair, prompt_pairs

DRAWN_WITH = {
    "object": "a photo of the {}",
    "person": "a photo of {}",
    "style": "a picture in the style of {}",
    "explicit": "a photo of {}",
}


def drawing_prompt(concept: Concept) -> PromptPair:
    """The plainest of the concept's prompts, with the target itself."""
    return prompt_pairs(concept)[TEMPLATES[concept.kind].index(DRAWN_WITH[concept.kind])]
