"""The levels of a hardened gate, on the tuning split: the second table of docs/results/harden.md."""

from collections.abc import Mapping, Sequence
from functools import partial
from unittest import mock

from dev.bench.bench import Bench, mean
from dev.bench.erasures import FULL, HARDENED, erased
from dev.bench.errors import error
from dev.bench.markdown import row
from dev.bench.tasks import Task
from dev.mass.plan import of_kind, splits
from dev.results.attack import START, attacks, latents_of, learned, shown
from dev.results.related import OF_PAIR, PAIR, seen_in_corners
from mini.vocabulary import choices

TUNED = 4  # objects of the tuning split
TRIED = ((0.2, 0.4), (0.0, 0.2), (-0.2, 0.0))
HEAD = """
## The levels

A token is replaced where it reaches farther along a direction than other words do; the levels say how far: 0
is the closest other word, 1 the concept. Objects of the tuning split ({names}), attacked from the
surrogate's word. Other object: images of prompts such as "a photo of a parrot and a whale" that show the
second object, which nobody names, as a share of the same without hardening. The **bold** row is the pack's.

| levels | learned, from the surrogate's word | other object in the prompt |
|---|---|---|
"""


def levelled(
    bench: Bench, name: str, keep: Sequence[str], beside: Sequence[str], levels: Sequence[float]
) -> dict[str, float]:
    """recovered: the share of images (0..1) that show the concept after the attack; other: the share that
    show a second object; other_before: the same without hardening."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines([name]))
    before = erased(bench, FULL, [name], keep)
    module = bench.host.module("nodes.work.gates")
    with mock.patch.object(module, "hardened", partial(module.hardened, levels=tuple(levels))):
        model = erased(bench, HARDENED, [name], keep)
    attack = attacks(bench, name, concepts[0])[START]
    return {
        "recovered": shown(bench, model, name, learned(bench, model, attack, latents_of(bench, name))),
        "other": _other(bench, model, name, beside),
        "other_before": _other(bench, before, name, beside),
    }


def _other(bench: Bench, model, name: str, beside: Sequence[str]) -> float:
    with bench.with_images(OF_PAIR):
        pictures = bench.drawn(model, [PAIR.format(name, other) for other in beside]).split(OF_PAIR)
    names, _ = choices(bench.world, bench.concepts[name])
    return mean(
        sum(other in each for each in seen_in_corners(bench, part, names)) / OF_PAIR
        for other, part in zip(beside, pictures, strict=True)
    )


def tasks() -> list[Task]:
    """Each tuned object with each pair of levels."""
    split = splits()["tuning"]["all"]
    given = {"keep": split["keep"], "beside": of_kind(split["never"], "object")}
    return [
        Task(
            f"levels, {name}, {levels}",
            "dev.results.levels:levelled",
            given | {"name": name, "levels": levels},
        )
        for name in of_kind(split["erase"], "object")[:TUNED]
        for levels in TRIED
    ]


def table(results: Mapping[str, Mapping[str, float]], ours: Sequence[float]) -> str:
    """The table, from task -> the results of `levelled`; `ours` are the levels of the pack."""
    names = of_kind(splits()["tuning"]["all"]["erase"], "object")[:TUNED]
    lines = []
    for levels in TRIED:
        each = [results[f"levels, {name}, {levels}"] for name in names]
        recovered = [one["recovered"] for one in each]
        others = [one["other"] / one["other_before"] for one in each]
        cells = [
            "{:g}, {:g}".format(*levels),
            *(f"{100 * mean(shares):.1f} \u00b1 {100 * error(shares):.1f}" for shares in (recovered, others)),
        ]
        lines.append(row(*(f"**{cell}**" for cell in cells) if tuple(levels) == tuple(ours) else cells))
    return HEAD.format(names=", ".join(names)) + "\n".join(lines) + "\n"
