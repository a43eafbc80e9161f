"""`make mini-report`: what the shipped miniature can do, by the shipped judge; writes mini/report.json.

Every figure is the share, in percent, of pictures the judge names right among all names it knows (objects,
persons, scenes, anybody). Held-out pictures are composed anew from a seed that training never used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..judge import Judge
from .art import draw_all, fetch
from .compose import draw as compose
from .compose import random_scene
from .contexts import caption_rows
from .draw import draw_contexts
from .judge import groups
from .pool import as_tensor
from .shipped import load_shipped
from .stages import WORK
from .world import World, load_world

REPORT = Path(__file__).resolve().parents[1] / "report.json"
IMAGES = 8  # per prompt
ENOUGH = 80.0  # a concept counts as drawn from this accuracy on


def held_out(judge: Judge, vae, world: World, count: int = 1500) -> dict[str, float]:
    """The judge on composed pictures it has not seen, as they are and through the autoencoder (its
    ceiling)."""
    fetch(WORK)
    glyphs, rng = draw_all(world, WORK), np.random.default_rng(77)
    scenes = [s for s in (random_scene(world, rng) for _ in range(2 * count)) if len(s.things) == 1][:count]
    pictures = as_tensor(np.stack([compose(scene, world, glyphs, rng)[0] for scene in scenes]))
    names = groups(world)["subject"]
    wanted = torch.tensor([names.index(scene.things[0]) for scene in scenes])
    person = torch.tensor([scene.things[0] in {p.name for p in world.persons} for scene in scenes])
    clean = _right(judge, pictures.permute(0, 2, 3, 1), names, wanted)
    blurred = torch.cat([vae.decode(vae.encode(part)) for part in pictures.split(64)]).clamp(0, 1)
    ceiling = _right(judge, blurred.permute(0, 2, 3, 1), names, wanted)
    return {
        "judge": _percent(clean),
        "judge_persons": _percent(clean[person]),
        "judge_ceiling": _percent(ceiling),
    }


def _right(judge: Judge, images: Tensor, names: Sequence[str], wanted: Tensor) -> Tensor:
    return judge.probabilities(images, names).argmax(-1) == wanted


def _percent(right: Tensor) -> float:
    return round(100 * right.float().mean().item(), 1)


class Drawer:
    """Draws prompt after prompt with the shipped model and asks the judge what came out."""

    def __init__(self, judge: Judge, world: World):
        self.vae, self.text, self.unet = load_shipped()
        self.judge, self.world, self.names = judge, world, groups(world)["subject"]

    def accuracy(self, prompts: Sequence[str], thing: str) -> float:
        """Percent of IMAGES pictures per prompt named `thing`."""
        rows, _ = caption_rows([[(prompt, True)] for prompt in prompts for _ in range(IMAGES)], self.world)
        return self.judged(self.text(rows), thing)

    def judged(self, contexts: Tensor, thing: str) -> float:
        """Percent of the pictures drawn from contexts [n, 77, 128] that the judge names `thing`."""
        images = draw_contexts(self.vae, self.text, self.unet, contexts, seed=5)
        wanted = torch.tensor([self.names.index(thing)] * len(images))
        return _percent(_right(self.judge, images, self.names, wanted))

    def halves(self, thing: str, surrogate: str) -> tuple[float, float]:
        """Drawn from the word's own embedding alone, and from all tokens but the word's (figure 2 of the
        paper)."""
        pieces = [[("a photo of the ", False), (word, True)] for word in (thing, surrogate)]
        rows, concept = caption_rows(pieces, self.world)
        told, other = self.text(rows)
        if (
            concept[0].sum() != concept[1].sum()
        ):  # another length shifts the tokens: an untaught word keeps it
            untaught = torch.where(concept[0], self.text.clip.config.vocab_size - 1, rows[0])
            other = self.text(untaught[None])[0]
        mask = concept[0][:, None]
        word, rest = torch.where(mask, told, other), torch.where(mask, other, told)
        return tuple(self.judged(c.expand(IMAGES, -1, -1), thing) for c in (word, rest))


@torch.no_grad()
def report() -> dict[str, float]:
    """All figures; prints the concepts that are drawn badly."""
    world, judge = load_world(), Judge.load()
    drawer = Drawer(judge, world)
    figures = held_out(judge, drawer.vae, world)
    things = [*world.objects, *world.persons]
    drawn = {t.name: drawer.accuracy([f"a photo of the {t.name}"], t.name) for t in things}
    figures["drawn"] = round(float(np.mean(list(drawn.values()))), 1)
    figures["drawn_persons"] = round(float(np.mean([drawn[p.name] for p in world.persons])), 1)
    figures["concepts"] = len(drawn)
    figures["concepts_drawn"] = sum(share >= ENOUGH for share in drawn.values())
    figures["drawn_by_synonym"] = _mean(
        drawer.accuracy([f"a photo of the {s}"], t.name) for t in world.objects for s in t.synonyms
    )
    templates = json.loads((REPORT.parent / "world.json").read_text())["held_out_templates"]
    figures["drawn_held_out_templates"] = _mean(
        drawer.accuracy([frame.format(f"the {t.name}")], t.name)
        for t in world.objects[:10]
        for frame in templates
    )
    halves = [drawer.halves(t.name, t.surrogate) for t in world.objects]
    figures["drawn_by_word_alone"], figures["drawn_without_word"] = (_mean(half) for half in zip(*halves))
    figures["per_concept"] = dict(sorted(drawn.items(), key=lambda item: item[1]))
    return figures


def _mean(values) -> float:
    return round(float(np.mean(list(values))), 1)


def main() -> None:
    figures = report()
    REPORT.write_text(json.dumps(figures, indent=1) + "\n")
    for name, figure in figures.items():
        if name != "per_concept":
            print(f"{name:<28}{figure:>8}")
    print("least drawn:", ", ".join(f"{n} {f:.0f}" for n, f in list(figures["per_concept"].items())[:12]))


if __name__ == "__main__":
    main()
