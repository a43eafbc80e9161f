"""What one run of the demo erases, what it draws to find out, and what the judge may answer."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mace_core.concepts.drawing import DRAWN_WITH
from mini.vocabulary import ANYBODY, RENDERINGS, load_world

__all__ = ["Plan", "PromptSet", "load_world", "make_plan"]
CLASSES = 10  # the first ten concepts of a kind: for objects CIFAR-10's classes, as in the paper


@dataclass(frozen=True)
class PromptSet:
    """Pictures of one prompt. The judge picks one of `names`; `expected` is the answer that counts."""

    phrase: str
    prompt: str
    expected: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """`synonyms` are never shown to the erasure: they measure whether it generalises."""

    surrogate: str
    kind: str
    target: PromptSet
    synonyms: tuple[PromptSet, ...]
    kept: tuple[PromptSet, ...]

    @property
    def sets(self) -> tuple[PromptSet, ...]:
        return (self.target, *self.synonyms, *self.kept)


def make_plan(world: Mapping, target: str, surrogate: str = "") -> Plan:
    """The world says a concept's kind, synonyms and usual surrogate; ten concepts at most have to stay."""
    concepts = {each["name"]: each for each in world["concepts"]}
    if target not in concepts:
        near = difflib.get_close_matches(target, concepts, n=3, cutoff=0.3) or list(concepts)[:3]
        raise ValueError(
            f"The miniature model has no concept called '{target}': take another, such as {', '.join(near)}."
        )
    concept = concepts[target]
    alike = [name for name, each in concepts.items() if each["kind"] == concept["kind"]]
    return Plan(
        surrogate or concept["surrogate"],
        concept["kind"],
        prompt_set(world, concept),
        tuple(prompt_set(world, concept, synonym) for synonym in concept["synonyms"]),
        tuple(prompt_set(world, concepts[name]) for name in alike[:CLASSES] if name != target),
    )


def prompt_set(world: Mapping, concept: Mapping, phrase: str = "") -> PromptSet:
    """A concept drawn under its own name or under `phrase`, a synonym."""
    phrase = phrase or concept["name"]
    names, expected = choices(world, concept)
    return PromptSet(phrase, DRAWN_WITH[concept["kind"]].format(phrase), expected, names)


def choices(world: Mapping, concept: Mapping) -> tuple[tuple[str, ...], str]:
    """The names the judge chooses from, and the concept's own: all a picture may show, or all styles."""
    name = concept["name"]
    if concept["kind"] != "style":
        subjects = (each["name"] for each in world["concepts"] if each["kind"] != "style")
        return (*subjects, *world["scenes"], ANYBODY), name
    if name in RENDERINGS:
        return RENDERINGS, name
    styles = (each["name"] for each in world["concepts"] if each["kind"] == "style")
    return tuple(f"{each} style" for each in styles if each not in RENDERINGS), f"{name} style"


def names(plan: Plan, line: str) -> bool:
    """Does a caption speak of the target, or of a synonym?"""
    return any(
        re.search(rf"\b{re.escape(each.phrase)}s?\b", line, re.IGNORECASE)
        for each in (plan.target, *plan.synonyms)
    )
