"""The shipped model and the shipped judge: generate images in batches and classify them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.judge import Judge
from mini.vocabulary import JUDGE

from ..contexts import caption_rows
from ..draw import draw_contexts
from ..judge import corners, groups
from ..shipped import load_shipped
from ..text import MiniText
from ..vae import MiniVAE
from ..world import Thing, World

BATCH = 64


@dataclass(frozen=True)
class Artist:
    """Generates images at the report's settings (dev/miniature/draw.py) and has the judge classify them."""

    world: World
    vae: MiniVAE
    text: MiniText
    unet: nn.Module
    judge: Judge

    @staticmethod
    def load(world: World) -> Artist:
        shipped = load_shipped()
        return Artist(world, *shipped, Judge.load(JUDGE))

    @property
    def subjects(self) -> list[str]:
        """All names that the judge chooses from: objects, persons, scenes, generic person."""
        return groups(self.world)["subject"]

    @property
    def nameable(self) -> tuple[Thing, ...]:
        return (*self.world.objects, *self.world.persons)

    def contexts(self, prompts: Sequence[str]) -> Tensor:
        """Embeddings [n, 77, 128] of the prompts."""
        rows, _ = caption_rows([[(prompt, False)] for prompt in prompts], self.world)
        return torch.cat([self.text(part) for part in rows.split(BATCH)])

    def draw(self, contexts: Tensor, seed: int) -> Tensor:
        """One image per context, each from its own noise: [n, 64, 64, 3] in 0..1."""
        parts = enumerate(contexts.split(BATCH))
        return torch.cat(
            [draw_contexts(self.vae, self.text, self.unet, part, 1000 * seed + i) for i, part in parts]
        )

    def named(self, pictures: Tensor, names: Sequence[str]) -> list[str]:
        """The most probable of `names` for each image [n, 64, 64, 3]."""
        return [names[i] for i in self.judge.probabilities(pictures, names).argmax(-1).tolist()]

    def pair_named(self, pictures: Tensor) -> list[set[str]]:
        """What the judge sees in the two corners of each image [n, 64, 64, 3] that hold a pair's things.

        The corners are enlarged, because the judge knows things that fill an image.
        """
        enlarged = corners(pictures.permute(0, 3, 1, 2)).permute(0, 1, 3, 4, 2)
        named = [self.named(each, self.subjects) for each in enlarged]
        return [set(both) for both in zip(*named, strict=True)]

    def share(self, asked: Sequence[tuple[str, str]], each: int, seed: int) -> list[float]:
        """For every (prompt, subject): the percentage of `each` images classified as `subject`."""
        contexts = self.contexts([prompt for prompt, _ in asked]).repeat_interleave(each, 0)
        return self.share_of(contexts, [subject for _, subject in asked], seed)

    def share_of(self, contexts: Tensor, subjects: Sequence[str], seed: int) -> list[float]:
        """The same for contexts [len(subjects) * each, 77, 128], grouped by subject."""
        each = len(contexts) // len(subjects)
        named = self.named(self.draw(contexts, seed), self.subjects)
        right = [named[i] == subjects[i // each] for i in range(len(named))]
        return [100 * mean(right[i : i + each]) for i in range(0, len(right), each)]


def plain_prompt(thing: Thing, word: str = "") -> str:
    """The prompt that the erasure uses to generate a concept, with its name or another word."""
    return KINDS[thing.kind].plain.format(word or thing.name)


def a(noun: str) -> str:
    """The noun with its article."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
