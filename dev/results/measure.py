"""The measurements of `make results`: one function per kind of task (dev/bench/tasks.py).

All results can be represented in JSON.
"""

import json
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dev.bench.bench import CFG, SEED, SIZE, Bench
from dev.bench.erasures import FULL, erased
from dev.host.fetch import REPOSITORY
from dev.mass.plan import MANY
from dev.results.plan import by_kind

RESULTS = REPOSITORY / "docs" / "results"
PICTURES, LEARNING_STEPS = 16, 100  # per attack
SCORED, SHOWN = 6, 10  # images per prompt in figure 5, and how many concepts that nobody names
STEPS = 20  # of the nodes, which sample with euler
PROBED_WITH = {"images": PICTURES, "steps": STEPS, "cfg": CFG, "sampler": "euler", "learning": LEARNING_STEPS}
PROMPT = "a photo of the {}"


def objects(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], never: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The share of images (0..1) that show the concepts: by name all, by synonym the erased ones."""
    model = erased(bench, method, erase, keep)
    return {
        "synonyms": {name: bench.synonyms(model, name) for name in erase},
        "names": bench.names(model, [*erase, *keep, *never]),
    }


def styles(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], never: Sequence[str]
) -> dict[str, float]:
    """The share of images (0..1) that show the styles and objects named in the prompt; of the few styles,
    more images."""
    model = erased(bench, method, erase, keep)
    shown, looks = by_kind([*erase, *keep, *never])
    with bench.with_images(MANY * bench.images):
        found = bench.names(model, looks)
    return found | bench.names(model, shown)


def never(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], never: Sequence[str]
) -> dict[str, float]:
    """The share of images (0..1) that show the concepts that nobody names."""
    return bench.names(erased(bench, method, erase, keep), never)


def robustness(bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str]) -> dict[str, dict]:
    """Attack -> the share of images that show the concept before and after, from the node Probe Erasure."""
    concepts, latent = _told(bench, erase)
    _, recovery, _ = bench.run(
        "MACE_ProbeErasure",
        before=bench.model,
        after=erased(bench, method, erase, keep),
        clip=bench.clip,
        vae=bench.vae,
        concepts=concepts,
        latent=latent,
        images=PICTURES,
        learning_steps=LEARNING_STEPS,
        steps=STEPS,
        cfg=CFG,
        seed=SEED,
    )
    return json.loads(recovery)["recovery"]


def attention(bench: Bench, erase: Sequence[str], keep: Sequence[str], never: Sequence[str]) -> str:
    """The paper's figure 2, from the node View Attention."""
    _, latent = _told(bench, erase)
    maps, _ = bench.run(
        "MACE_ViewAttention",
        before=bench.model,
        after=erased(bench, FULL, erase, keep),
        clip=bench.clip,
        vae=bench.vae,
        latent=latent,
        prompt=PROMPT.format(erase[0]),
        steps=STEPS,
        cfg=CFG,
        seed=SEED,
    )
    return _saved(maps, "figure_2.png")


def before_and_after(bench: Bench, erase: Sequence[str], keep: Sequence[str], never: Sequence[str]) -> str:
    """The paper's figure 5, from the node Score Erasure."""
    concepts, latent = _told(bench, erase)
    _, _, grid, _ = bench.run(
        "MACE_ScoreErasure",
        before=bench.model,
        after=erased(bench, FULL, erase, keep),
        clip=bench.clip,
        vae=bench.vae,
        concepts=concepts,
        latent=latent,
        keep="\n".join(keep),
        never_named="\n".join(never[:SHOWN]),
        images=SCORED,
        steps=STEPS,
        cfg=CFG,
        seed=SEED,
    )
    return _saved(grid, "figure_5.png")


def _told(bench: Bench, erase: Sequence[str]) -> tuple:
    """CONCEPTS and an empty latent."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(erase))
    (latent,) = bench.host.call("EmptyLatentImage", width=SIZE, height=SIZE, batch_size=1)
    return concepts, latent


def _saved(image, name: str) -> str:
    pixels = (image[0].clamp(0, 1) * 255).round().byte().numpy()
    Image.fromarray(np.asarray(pixels)).save(RESULTS / name, optimize=True)
    return name
