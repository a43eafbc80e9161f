"""Concepts of the miniature's world as the benchmarks and the demo use them."""

import difflib
import re
from collections.abc import Mapping

CLASSES = 10  # the first concepts of a kind; for objects the classes of CIFAR-10, as in the paper


def entry(world: Mapping, name: str) -> Mapping:
    """The world's entry for a concept. Raises ValueError, with similar names, if there is none."""
    concepts = {each["name"]: each for each in world["concepts"]}
    if name not in concepts:
        near = difflib.get_close_matches(name, concepts, n=3, cutoff=0.3) or list(concepts)[:3]
        raise ValueError(
            f"The miniature has no concept called '{name}': choose another, such as {', '.join(near)}."
        )
    return concepts[name]


def others(world: Mapping, concept: Mapping) -> list[str]:
    """The names of the first CLASSES concepts of the same kind, without the concept itself."""
    alike = [each["name"] for each in world["concepts"] if each["kind"] == concept["kind"]]
    return [name for name in alike[:CLASSES] if name != concept["name"]]


def without(concept: Mapping, captions: str) -> str:
    """The captions, one per line, without those that name the concept or a synonym.

    A prior must not preserve what is erased.
    """
    phrases = "|".join(map(re.escape, (concept["name"], *concept["synonyms"])))
    named = re.compile(rf"\b(?:{phrases})s?\b", re.IGNORECASE)
    return "\n".join(line for line in captions.splitlines() if not named.search(line))
