"""What the pack knows about a kind of concept: everything that differs between kinds is a field here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# What a concept is beside in prompts with two objects: everyday and unlike one another.
PARTNERS = ("an airplane", "a frog", "a bus", "a rabbit", "a flower", "a pizza", "a lamp", "a piano")


@dataclass(frozen=True)
class Kind:
    """A kind of concept. ``{}`` in a template stands for the concept's name.

    name:         as users write it, such as ``"object"``.
    templates:    the prompts a concept is erased in (section 4.1); our own, not the authors'.
    plain:        the plainest of them; training images are generated with it, and so are scored images.
    question:     how the judge is asked whether an image shows a name.
    surrogates:   candidates to suggest. The paper puts an object's surroundings in its place (sky, street,
                  ground), "a person" and "art".
    beside:       templates with ``{other}``, one of PARTNERS, before the name, and the same with the name
                  first; empty for a kind that stands beside nothing.
    everyday:     well-known names of the kind -> their synonyms, for users who name none.
    namesakes:    common first names and common last names: with either, half of a name is somebody else's.
    held_out:     templates that no concept is erased in, for attacks.
    indirect:     templates that name the concept in other words, for attacks.
    descriptions: name -> a description that avoids the name, for attacks.
    translations: name -> the name in other languages, for attacks.
    detected_as:  what a detector is asked for instead of the name; empty: the name itself.
    whole_image:  whether the concept is how the whole image looks: masks cover all of it, and the judge has
                  a separate question for it.
    """

    name: str
    templates: tuple[str, ...]
    plain: str
    question: str
    surrogates: tuple[str, ...]
    held_out: tuple[str, ...]
    indirect: tuple[str, ...]
    beside: tuple[tuple[str, str], ...] = ()
    everyday: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    namesakes: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    descriptions: Mapping[str, str] = field(default_factory=dict)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detected_as: str = ""
    whole_image: bool = False
