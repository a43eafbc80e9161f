"""Captions of what to preserve: everyday scenes in our own words, and names."""

from __future__ import annotations

import re

from .kinds import KINDS
from .lines import literal, numbered, prefixed
from .prompts import joined

# A prompt that also says how the image looks would preserve that look, which may be the style to erase.
_LOOK = (
    r"\b(black and white|sepia|colou?r\w*|drawing|painting|watercolour|oil|pencil|cartoon|"
    r"print|poster|sketch|brush\w*)\b"
)

_PEOPLE = (
    "a man",
    "a woman",
    "a boy",
    "a girl",
    "a baby",
    "two friends",
    "an old couple",
    "a crowd of people",
    "a family with a dog",
    "a young woman with glasses",
    "a man with a beard",
    "children",
    "a group of students",
    "a farmer",
    "a doctor",
    "a cook",
    "a dancer",
    "a cyclist",
    "a football team",
    "a musician with a guitar",
    "a bride and a groom",
    "a tourist",
    "a worker in a helmet",
)
_ANIMALS = (
    "a cat",
    "two dogs",
    "a brown horse",
    "a herd of cows",
    "some sheep",
    "a goat",
    "a small bird",
    "a flock of ducks",
    "an elephant",
    "a giraffe",
    "three zebras",
    "a bear",
    "a fox",
    "a rabbit",
    "a butterfly",
    "a fish",
    "a turtle",
    "an owl",
    "a monkey",
    "a lion",
    "a squirrel",
    "a parrot",
)
_VEHICLES = (
    "a red car",
    "a bus",
    "a lorry",
    "a train",
    "a tram",
    "a bicycle",
    "a motorcycle",
    "an airplane",
    "a sailing boat",
    "a ferry",
    "a tractor",
    "a helicopter",
    "a fire engine",
    "a skateboard",
)
_THINGS = (
    "a wooden table",
    "an empty chair",
    "a sofa",
    "a bed with white sheets",
    "a lamp",
    "a book",
    "a stack of papers",
    "a clock",
    "a laptop",
    "a telephone",
    "a camera",
    "a television",
    "a pair of shoes",
    "a hat",
    "an umbrella",
    "a suitcase",
    "a ball",
    "a kite",
    "a teddy bear",
    "a vase of flowers",
    "a bottle",
    "a glass of water",
    "a cup of coffee",
    "a plate of pasta",
    "a pizza",
    "a sandwich",
    "a birthday cake",
    "a bowl of fruit",
    "apples and oranges",
    "a loaf of bread",
    "a knife and a fork",
    "a guitar",
    "a mirror",
    "a key",
    "a candle",
    "a basket",
    "a mailbox",
    "a traffic light",
    "a street sign",
    "a bench",
)
_PLACES = (
    "a city street",
    "a village square",
    "a harbour",
    "a beach",
    "a mountain lake",
    "a forest path",
    "a river",
    "a field of wheat",
    "a desert",
    "a waterfall",
    "an island",
    "a garden",
    "a park",
    "a farm",
    "a bridge",
    "a castle",
    "a church",
    "a museum",
    "a library",
    "a school",
    "a market",
    "a restaurant",
    "a kitchen",
    "a bathroom",
    "a living room",
    "a bedroom",
    "an office",
    "a factory",
    "a railway station",
    "a stadium",
    "a lighthouse",
    "a skyscraper",
    "a small house",
    "a barn",
    "a night sky",
    "a snowy hill",
)
_SCENES = (
    "in the morning",
    "at night",
    "on a sunny day",
    "in the rain",
    "in the snow",
    "in autumn",
    "next to a tree",
    "near a window",
    "in front of a wall",
    "on the grass",
    "at the side of a road",
    "under a blue sky",
    "in an old town",
    "by the water",
    "in a quiet room",
    "on a wooden floor",
    "far away",
)
_FORMS = (
    "{} {}",
    "a photo of {} {}",
    "there is {} {}",
    "a picture that shows {} {}",
    "{} {}, seen from above",
    "a black and white photo of {} {}",
    "a painting of {} {}",
    "a drawing of {} {}",
    "close view of {} {}",
    "a colourful photo of {} {}",
    "a wide shot of {} {}",
    "an illustration of {} {}",
    "somebody photographed {} {}",
)
_PER_SUBJECT = 6
MOST_NAMES = 10_000  # each becomes about 30 prompts


def everyday_captions() -> tuple[str, ...]:
    """About 800 captions of people, animals, things and places: a prior for users who have no captions.

    Every form and every scene is used with all kinds of subjects. The list is always the same.
    """
    subjects = (*_PEOPLE, *_ANIMALS, *_VEHICLES, *_THINGS, *_PLACES)
    captions = []
    for i, subject in enumerate(subjects):
        for j in range(_PER_SUBJECT):
            n = i * _PER_SUBJECT + j
            captions.append(_FORMS[n % len(_FORMS)].format(subject, _SCENES[n % len(_SCENES)]))
    return tuple(captions)


def captions_of_names(text: str) -> dict[str, tuple[str, ...]]:
    """Kind -> every prompt in which a concept of that kind would be erased, for each name to preserve.

    One name per line, such as ``person: Jo Doe``; without a prefix it is an object. Prompts that say how the
    image looks are left out. Raises ValueError for an unknown kind, or for more than MOST_NAMES names.
    """
    captions: dict[str, list[str]] = {}
    for count, (number, line) in enumerate(numbered(text)):
        if count == MOST_NAMES:
            raise ValueError(f"There are more than {MOST_NAMES} names to preserve: use a shorter list.")
        kind, name = prefixed(literal(line), KINDS, "object", f"Line {number} of the names to preserve, ")
        if name:
            templates = (each for each in KINDS[kind].templates if not re.search(_LOOK, each))
            gaps = (template.split("{}") for template in templates)
            captions.setdefault(kind, []).extend(joined(before, name, after) for before, after in gaps)
    return {kind: tuple(prompts) for kind, prompts in captions.items()}
