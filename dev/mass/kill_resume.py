"""`python -m dev.mass.kill_resume`: kill -9 a mass erasure at random moments, resume it, compare the files.

One real server erases concepts of the miniature without interruption. Another, with its own folder, is killed
repeatedly and restarted with the same prompt. Both erasure files must be bit-identical.
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
SECONDS_AFTER_A_STEP = 0.3  # upper limit; some kills then hit while a file is written
AFTER = {"draw": ("mask", "train"), "train": ("fuse", "save")}


@dataclass(frozen=True)
class Run:
    """How many concepts are erased, and how much work each is."""

    concepts: int = 20
    images: int = 8
    drawing_steps: int = 20
    steps: int = 50
    method: str = "exact"


@dataclass(frozen=True)
class Moment:
    """When to kill: after this share of a node's steps, plus `delay` seconds."""

    node: str
    share: float
    delay: float


class Kill(Exception):
    """Ends a run between two of its events."""


def concept_lines(count: int) -> str:
    """Lines of mixed kinds: objects, persons and styles of the miniature's world."""
    world = json.loads(WORLD.read_text())["concepts"]
    kinds = [[each for each in world if each["kind"] == kind] for kind in ("object", "person", "style")]
    mixed = [each for row in zip(kinds[0], kinds[0][100:], kinds[1], kinds[2] * 4) for each in row]
    return "\n".join(f"{each['kind']}: {each['name']} -> {each['surrogate']}" for each in mixed[:count])


def graph(run: Run) -> dict:
    """A prompt with all three stages, in the host's API format."""

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
    """The erasure file of an uninterrupted run, and the number of progress steps of each node."""
    steps: Counter = Counter()

    def count(event: Event) -> None:
        steps[event.node] += event.kind == "progress"

    with Host(base) as host:
        host.client().run(graph(run), count)
        return result(host), steps


def disturbed(run: Run, base: Path, moments: list[Moment], steps: Counter) -> tuple[bytes, list[str]]:
    """The erasure file of a run killed at each moment, and the node that was running each time."""
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
    """A callback that raises Kill at the moment, or when a later node starts because few steps were left."""
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
    """The newest erasure file: a run killed after saving saves again."""
    return max((host.base / "models" / "mace").glob(f"{NAME}_*.safetensors")).read_bytes()


def random_moments(kills: int, seed: int) -> list[Moment]:
    """The first half during Draw Concepts, each a little further; the rest during training or after it."""
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
            f"{run.concepts} concepts, uninterrupted: {hashlib.sha256(expected).hexdigest()[:16]}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
        moments = random_moments(given.kills, given.seed)
        found, killed = disturbed(run, Path(folder, "disturbed"), moments, steps)
    print(
        f"killed {len(killed)} times, during {', '.join(killed)}: {hashlib.sha256(found).hexdigest()[:16]}, "
        f"{time.monotonic() - started:.0f} s"
    )
    print("bit-identical" if found == expected else "DIFFERENT")
    return int(found != expected)


if __name__ == "__main__":
    raise SystemExit(main())
