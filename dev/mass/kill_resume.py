"""`python -m dev.mass.kill_resume`: kill -9 a mass erasure at random moments, resume it, compare the files.

A real server erases concepts of the miniature undisturbed; another, with a folder of its own, is killed again
and again and started anew with the same prompt. Both files must be equal to the bit.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dev.host.client import Event
from dev.host.fetch import REPOSITORY
from dev.host.server import Host

WORLD = REPOSITORY / "mini" / "world.json"
NAME = "mass"
SECONDS_AFTER_A_STEP = 0.3  # at most: so that files are being written at some of the moments
AFTER = {"draw": ("mask", "train"), "train": ("fuse", "save")}


@dataclass(frozen=True)
class Run:
    """What is erased, and how much work a concept is."""

    concepts: int = 20
    images: int = 8
    drawing_steps: int = 20
    steps: int = 50
    method: str = "exact"


@dataclass(frozen=True)
class Moment:
    """After this share of all steps of a node, and so many seconds."""

    node: str
    share: float
    delay: float


class Kill(Exception):
    """Raised between two events of a run."""


def concept_lines(count: int) -> str:
    """Mixed kinds: people and styles among the first objects of the miniature's world."""
    world = json.loads(WORLD.read_text())["concepts"]
    kinds = [[each for each in world if each["kind"] == kind] for kind in ("object", "person", "style")]
    mixed = [each for row in zip(kinds[0], kinds[0][100:], kinds[1], kinds[2] * 4) for each in row]
    return "\n".join(f"{each['kind']}: {each['name']} -> {each['surrogate']}" for each in mixed[:count])


def graph(run: Run) -> dict:
    """All stages, in the host's API form."""

    def node(class_type: str, **inputs) -> dict:
        return {"class_type": class_type, "inputs": inputs}

    model, clip, vae = (["loader", slot] for slot in range(3))
    concepts = {"concepts": ["concepts", 0]}
    return {
        "loader": node("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors"),
        "concepts": node("MACE_EraseConcepts", concepts=concept_lines(run.concepts), kind="object"),
        "refine": node(
            "MACE_CrossAttnRefine", model=model, clip=clip, preserve_weight=1e-4, ridge=100.0, **concepts
        ),
        "draw": node(
            "MACE_DrawConcepts",
            model=model,
            clip=clip,
            vae=vae,
            images=run.images,
            cfg=4.0,
            seed=0,
            steps=run.drawing_steps,
            width=64,
            height=64,
            **concepts,
        ),
        "mask": node("MACE_MaskConcepts", training_set=["draw", 0], method="attention", threshold=0.0),
        "train": node(
            "MACE_TrainConceptLoRA",
            refined=["refine", 0],
            clip=clip,
            training_set=["mask", 0],
            steps=run.steps,
            learning_rate=1e-4,
            seed=0,
            rank=1,
            focal_sampling=True,
            method=run.method,
            **concepts,
        ),
        "fuse": node(
            "MACE_FuseLoRAs",
            clip=clip,
            refined=["refine", 1],
            concept_loras=["train", 0],
            preserve_weight=1e-4,
            ridge=100.0,
        ),
        "save": node("MACE_SaveErasure", erasure=["fuse", 0], name=NAME),
    }


def undisturbed(run: Run, base: Path) -> tuple[bytes, Counter]:
    """The erasure file, and how many steps of progress each node makes."""
    steps: Counter = Counter()

    def count(event: Event) -> None:
        steps[event.node] += event.kind == "progress"

    with Host(base) as host:
        host.client().run(graph(run), count)
        return result(host), steps


def disturbed(run: Run, base: Path, moments: list[Moment], steps: Counter) -> tuple[bytes, list[str]]:
    """The file of a run killed at each moment, and the node that was at work each time."""
    killed: list[str] = []
    with Host(base) as host:
        for moment in moments:
            try:
                host.client().run(graph(run), killer(moment, steps, killed))
            except Kill:
                os.killpg(host.process.pid, signal.SIGKILL)
                host.process.wait()
                host.process = None
                host.start()
        host.client().run(graph(run))
        return result(host), killed


def killer(moment: Moment, steps: Counter, killed: list[str]):
    """Raises Kill at the moment, or when a later node starts because less was left to do."""
    later = AFTER[moment.node]
    seen = 0

    def watch(event: Event) -> None:
        nonlocal seen
        seen += event.kind == "progress" and event.node == moment.node
        if seen >= max(1, moment.share * steps[moment.node]) or event.node in later:
            killed.append(event.node)
            time.sleep(moment.delay)
            raise Kill

    return watch


def result(host: Host) -> bytes:
    """The newest erasure: a run killed after saving saves once more."""
    return max((host.base / "models" / "mace").glob(f"{NAME}_*.safetensors")).read_bytes()


def random_moments(kills: int, seed: int) -> list[Moment]:
    """The first half while drawing, each a little further; the others anywhere in training and after it."""
    generator, drawing = random.Random(seed), (kills + 1) // 2
    shares = [("draw", 2 / drawing)] * drawing + [("train", 1.0)] * (kills - drawing)
    return [
        Moment(node, generator.uniform(0, most), generator.uniform(0, SECONDS_AFTER_A_STEP))
        for node, most in shares
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concepts", type=int, default=Run.concepts)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", default=Run.method)
    given = parser.parse_args()
    started = time.monotonic()
    run = Run(given.concepts, method=given.method)
    with tempfile.TemporaryDirectory(prefix="mace-kill-") as folder:
        expected, steps = undisturbed(run, Path(folder, "undisturbed"))
        print(
            f"{run.concepts} concepts undisturbed: {hashlib.sha256(expected).hexdigest()[:16]}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
        moments = random_moments(given.kills, given.seed)
        found, killed = disturbed(run, Path(folder, "disturbed"), moments, steps)
    print(
        f"killed {len(killed)} times, at {', '.join(killed)}: {hashlib.sha256(found).hexdigest()[:16]}, "
        f"{time.monotonic() - started:.0f} s"
    )
    print("equal to the bit" if found == expected else "DIFFERENT")
    return int(found != expected)


if __name__ == "__main__":
    raise SystemExit(main())
