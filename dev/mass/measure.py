"""The measurements of `make mass`: one function per kind of task (dev/bench/tasks.py).

All results can be represented in JSON.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from dev.bench.bench import Bench
from dev.bench.erasures import REFINED, erased, fuse, pictures, stages_1_and_2, training_of
from dev.fullsize.measure import stage

BATCH = 16  # concepts trained together for the timing
ALONE = 4  # concepts trained one at a time for the timing


def prepare(bench: Bench, method: str, erase: Sequence[str]) -> int:
    """Fill the host's cache with training images, masks and LoRAs of the concepts, for later tasks.

    Returns the number of LoRAs.
    """
    return len(stages_1_and_2(bench, erase, [], training_of(method)).loras)


def shares(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], asked: Sequence[str], times: int
) -> dict[str, float]:
    """For each concept of `asked`: the share of images (0..1) that show it when the prompt has its name.

    times: multiplies the number of images.
    """
    model = erased(bench, method, erase, keep)
    with bench.with_images(times * bench.images):
        return bench.names(model, asked)


def synonyms(bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str]) -> dict[str, float]:
    """For each erased concept with synonyms: the share of images (0..1) that show it when the prompt has one
    of them instead. The erasure was not told any."""
    model = erased(bench, method, erase, keep)
    return {name: bench.synonyms(model, name) for name in erase if bench.concepts[name]["synonyms"]}


def seconds(bench: Bench, concepts: Sequence[str]) -> dict[str, float]:
    """CPU seconds per concept of each way to train, without cached LoRAs."""
    training = bench.host.module("nodes.work.training")
    settings = bench.host.module("mace_core.training.settings").TrainSettings(learning_rate=2e-3)
    (told,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(concepts[:BATCH]))
    items = training.checked_items(told, pictures(bench, told))

    def trained(method: str, groups: list) -> Callable:
        def work() -> None:
            progress = bench.host.module("nodes.host.progress").TimedProgress("Time", len(items))
            with torch.inference_mode():
                for group in groups:
                    list(training.train_all(bench.model, bench.encoder, group, settings, method, progress))

        return work

    ways = {
        "exact, one by one": ("exact", [[item] for item in items[:ALONE]]),
        f"exact, {BATCH} in a batch": ("exact", [items]),
        "fast": ("fast", [items]),
    }
    found = {}
    for name, (method, groups) in ways.items():
        _, took = stage(trained(method, groups))
        found[name] = took["cpu_seconds"] / sum(map(len, groups))
    return found


def memory(bench: Bench, erase: Sequence[str], keep: Sequence[str], counts: Sequence[int]) -> dict[str, dict]:
    """Peak resident memory, in MiB, of stages 1 and 3 for the first concepts of `erase`, by their number."""
    found = {}
    for count in counts:
        material = stages_1_and_2(bench, erase[:count], keep, {})
        refine_alone = partial(stages_1_and_2, bench, erase[:count], keep, training_of(REFINED))
        _, refining = stage(refine_alone)
        _, fusing = stage(partial(fuse, bench, material))
        found[str(count)] = {"refinement": refining["rss_peak"], "fusion": fusing["rss_peak"]}
    return found
