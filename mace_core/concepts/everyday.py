"""Names to start from: surrogates of each kind, and everyday concepts with their synonyms.

They are asked of a text encoder (``suggest``) or of a judge (``scoring``) when the user names none.
"""

from __future__ import annotations

from collections.abc import Mapping

# The paper draws the surroundings of an object instead of it (sky, street, ground), "a person", "art".
SURROGATES: Mapping[str, tuple[str, ...]] = {
    "object": (
        "sky",
        "sea",
        "street",
        "ground",
        "meadow",
        "forest",
        "desert",
        "snow",
        "night",
        "beach",
        "table",
        "wall",
    ),
    "person": ("a person",),
    "style": ("art",),
    "explicit": ("a person wearing clothes",),
}

# Coarse names that do not contain each other. The first ten and their synonyms are those of table 1.
EVERYDAY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "object": {
        "airplane": ("aircraft", "plane", "jet"),
        "automobile": ("car", "vehicle", "motorcar"),
        "bird": ("avian", "fowl", "winged creature"),
        "cat": ("feline", "kitty", "housecat"),
        "deer": ("hart", "stag", "doe"),
        "dog": ("canine", "pooch", "hound"),
        "frog": ("amphibian", "anuran", "tadpole"),
        "horse": ("equine", "steed", "mount"),
        "ship": ("vessel", "boat", "watercraft"),
        "truck": ("lorry", "rig", "hauler"),
        **dict.fromkeys(
            (
                "train",
                "bicycle",
                "bus",
                "bear",
                "elephant",
                "cow",
                "sheep",
                "lion",
                "rabbit",
                "fish",
                "snake",
                "butterfly",
                "spider",
                "tree",
                "flower",
                "mushroom",
                "apple",
                "banana",
                "bread",
                "cake",
                "pizza",
                "cup",
                "bottle",
                "chair",
                "sofa",
                "bed",
                "lamp",
                "clock",
                "book",
                "telephone",
                "television",
                "guitar",
                "piano",
                "ball",
                "umbrella",
                "hat",
                "shoe",
                "house",
                "church",
                "castle",
                "bridge",
                "mountain",
                "waterfall",
            ),
            (),
        ),
    },
    "person": {},
    "style": dict.fromkeys(
        (
            "Vincent van Gogh",
            "Claude Monet",
            "Rembrandt",
            "Katsushika Hokusai",
            "Gustav Klimt",
            "Edvard Munch",
            "impressionism",
            "cubism",
            "art nouveau",
            "a pencil sketch",
            "a watercolour",
            "a photograph",
        ),
        (),
    ),
    "explicit": {},
}
