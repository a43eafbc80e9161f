"""`python -m dev.mass.compare_trainers`: ways to train the LoRAs of stage 2, side by side.

The twelve concepts of the tuning split are erased together from the bundled miniature, in a process that
resumes where it was stopped. Writes docs/results/trainers.md.
"""

import argparse
import time
from collections.abc import Mapping
from functools import cache

import torch

from dev.bench.bench import Bench, mean
from dev.bench.erasures import Material, fuse
from dev.bench.tasks import Task, kept_folder, run
from dev.host.fetch import REPOSITORY
from dev.mass.figures import error
from dev.mass.plan import splits
from dev.mass.ways import NOTHING, WAYS, Tuning
from mace_core.evaluation.metrics import h_c

PAGE = REPOSITORY / "docs" / "results" / "trainers.md"
IMAGES, MOST = 4, 1  # images per prompt; concepts per kind that are looked at alone
EFFECTS = (
    "left",
    "inside",
    "t = 950",
    "outside",
    "other words",
    "fused, inside",
    "fused, other words",
    "dW / W",
    "steps",
    "CPU s",
)
DIGITS = {"left": 1, "dW / W": 4, "steps": 0}
SCORED = (
    NOTHING,
    "fast (default)",
    "fast, from 200 to 400, D without everyday words",
    "exact (default)",
    "exact, keys and values",
    "exact, keys and values, 0.002, 50 steps",
)
HEAD = """# Ways to train

`python -m dev.mass.compare_trainers` writes this page. It trains the LoRAs of the tuning split
(mini/splits.json: 8 objects, 3 people, 1 style; no frozen split erases them, except for all twenty people at
once) in several ways.

## What a LoRA does alone

Means over the first concept of each kind, on noise that no training used, at timesteps from 50 to 950. Left:
equation 3, in percent of the refined model's. Inside, outside: how much the logits of the concept's own
tokens change inside its masks (at t = 950 alone, too) and outside. Other words: the mean size of the change
inside the masks for words of concepts that nobody names. Fused: the same after equation 7, alone with the
prior. dW / W: the Frobenius norm of U D, relative to W, over the trained layers. CPU s: to train one concept,
without the text encoder.

"""
IMAGED = f"""
## What the erasure does

All concepts at once, the nodes' other defaults, {IMAGES} images per prompt, top-1 of the judge in percent.
The prior names half of what stays; nobody names the other half. Never named and Acc_s: as a share of the
original model's, with one standard error over the concepts; all columns but the two gated ones are of the
linear form, because gated, prompts about other concepts stay as they are.

| way | never named | Acc_s | Acc_e | synonyms | Acc_e, gated | synonyms, gated | H_c relative |
|---|---|---|---|---|---|---|---|
"""


@cache
def tuning_of(bench: Bench, most: int = 100) -> Tuning:
    """One per process."""
    return Tuning(bench, most)


def effects(bench: Bench, way: str) -> dict[str, float]:
    """Means of EFFECTS over a few concepts of each kind."""
    tuning, found = tuning_of(bench, MOST), []
    began = time.process_time()
    loras = tuning.loras(WAYS[way])
    seconds = (time.process_time() - began) / len(loras)
    for place, lora in enumerate(loras):
        found.append(tuning.effect(lora, place) | {"CPU s": seconds})
    return {name: mean(each[name] for each in found) for name in EFFECTS}


def shares(bench: Bench, way: str) -> dict[str, dict[str, float]]:
    """Mode -> concept -> the share of images (0..1) that show it; "synonyms of NAME" with a synonym in the
    prompt. Gated, only of the erased concepts: the others stay as before."""
    tuning = tuning_of(bench)
    split, prior = tuning.split, tuning.prior
    refined, stage_1 = bench.run(
        "MACE_CrossAttnRefine", model=bench.model, clip=bench.clip, concepts=tuning.concepts, prior=prior
    )
    if way == NOTHING:
        untrained = bench.host.module("mace_core.training.lora").untrained_lora
        with torch.inference_mode():
            loras = tuple(untrained(bench.encoder, concept) for concept in tuning.concepts)
    else:
        loras = tuning.plain(tuning.loras(WAYS[way]))
    fused, found = fuse(bench, Material(prior, refined, stage_1, loras)), {}
    retold = [name for name in split["erase"] if bench.concepts[name]["synonyms"]]
    for mode, sides in (("linear", ("erase", "keep", "never")), ("gated", ("erase",))):
        (model,) = bench.run("MACE_ApplyErasedModel", model=bench.model, erasure=fused, mode=mode)
        found[mode] = bench.names(model, [name for side in sides for name in split[side]])
        found[mode] |= {f"synonyms of {name}": bench.synonyms(model, name) for name in retold}
    return found


def before(bench: Bench) -> dict[str, float]:
    """Concept -> the share of images (0..1) of the original model that show it."""
    split = tuning_of(bench).split
    return bench.names(bench.model, [*split["keep"], *split["never"]])


def scored(found: Mapping, original: Mapping[str, float], split: Mapping) -> list[str]:
    """The cells of a row of the second table."""
    linear, cells, shares = found["linear"], [], {}
    for side in ("never", "keep"):
        shares[side] = mean(linear[name] for name in split[side]) / mean(
            original[name] for name in split[side]
        )
        spread = error([linear[name] - original[name] for name in split[side]])
        cells.append(f"{100 * shares[side]:.1f} \u00b1 {100 * spread:.1f}")
    for each in (linear, found["gated"]):
        cells.append(f"{100 * mean(each[name] for name in split['erase']):.1f}")
        retold = [share for name, share in each.items() if name.startswith("synonyms of ")]
        cells.append(f"{100 * mean(retold):.1f}")
    relative = h_c(mean(linear[name] for name in split["erase"]), min(1.0, shares["keep"]))
    return [*cells, f"{100 * relative:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="the first table only, without images")
    given, work = parser.parse_args(), "dev.mass.compare_trainers"
    tasks = [Task(f"effects, {way}", f"{work}:effects", {"way": way}) for way in WAYS]
    if not given.alone:
        tasks += [Task("before", f"{work}:before", {})]
        tasks += [Task(way, f"{work}:shares", {"way": way}) for way in SCORED]
    results = run(tasks, kept_folder("trainers"), IMAGES, given.processes)
    PAGE.write_text(page(results))
    print(PAGE.read_text())


def page(results: Mapping[str, Mapping]) -> str:
    """The page, from the results of the tasks by name; without images, only its first table."""
    lines = ["| way | " + " | ".join(EFFECTS) + " |", "|---" * (len(EFFECTS) + 1) + "|"]
    for way in WAYS:
        found = results[f"effects, {way}"]
        cells = [f"{found[name]:.{DIGITS.get(name, 2)}f}" for name in EFFECTS]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    alone = HEAD + "\n".join(lines) + "\n"
    if "before" not in results:
        return alone
    split = splits()["tuning"]["all"]
    imaged = [
        f"| {way} | " + " | ".join(scored(results[way], results["before"], split)) + " |" for way in SCORED
    ]
    return alone + IMAGED + "\n".join(imaged) + "\n"


if __name__ == "__main__":
    main()
