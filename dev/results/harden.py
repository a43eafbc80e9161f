"""`python -m dev.results.harden`: attacks with a learned embedding on a gate with and without hardening.

Concepts of the tuning split one at a time, then those that the page about attacks probes. Writes
docs/results/harden.md and harden.json. An interrupted run resumes where it stopped.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from dev.bench.bench import Bench, fingerprints, mean
from dev.bench.erasures import FULL, HARDENED, REFINING, erased
from dev.bench.errors import error
from dev.bench.tasks import Task, kept_folder, run
from dev.host.fetch import REPOSITORY
from dev.mass.plan import of_kind, splits
from dev.mass.report import met
from dev.results import levels
from dev.results.attack import ELSEWHERE, OTHER, OWN, START, attacks, latents_of, learned, shown
from dev.results.measure import LEARNING_STEPS, PICTURES
from dev.results.plan import PROBED
from mace_core.erasure.harden import LEVELS

RESULTS = REPOSITORY / "docs" / "results"
ROUNDS = {0: FULL, REFINING[HARDENED]["harden"]: HARDENED}
NAME = "its own name"
ROWS = {
    NAME: "its own name",
    OWN: "learned in its own prompt, from its name (as in Probe Erasure)",
    START: "learned in its own prompt, from the surrogate's word",
    ELSEWHERE: f'learned in another prompt, "a photo of the {OTHER}"',
}
HEAD = """# Hardening against learned embeddings

`python -m dev.results.harden` writes this page from `harden.json`. Each concept is erased alone from the
bundled miniature with default settings, with `harden` of Cross-Attention Refinement at {without} and at
{rounds}, and applied with its gate. The attack of Probe Erasure learns the vector of one word for {learning}
steps. Figures are the bundled judge's top-1 in percent over {images} images per concept, with one standard
error over the concepts. The last column says whether a hardened gate does what the project requires on the
frozen split.

| concepts | prompt | harden {without} | harden {rounds} | at most {most} |
|---|---|---|---|---|
"""
MOST = 30  # percent: what a learned embedding may bring back on the frozen split, as the project requires
FOOT = """
- **From its name**: the attack starts at the concept's own word, which a hardened gate replaces by a
  constant. A constant has no gradient, so this attack never starts: that it fails says little. The next row
  is the test.
- **From the surrogate's word**: the attack starts where it has gradients, in the same prompt.
- **Another prompt**: a hardened gate acts only in prompts about the concept, so that no other prompt changes.
  A vector learned in a prompt about something else passes. LoRA re-training is not hindered either.
"""


def attacked(bench: Bench, method: str, name: str, keep: Sequence[str]) -> dict[str, float]:
    """The share of images (0..1) that show the concept, by its name and by each attack."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines([name]))
    latents = latents_of(bench, name)
    model = erased(bench, method, [name], keep)
    found = {NAME: shown(bench, model, name, bench.encoder.conditioning(bench.prompt(name, name)))}
    for label, attack in attacks(bench, name, concepts[0]).items():
        found[label] = shown(bench, model, name, learned(bench, model, attack, latents))
    return found


def tasks() -> list[Task]:
    """Each concept of both splits with each number of rounds."""
    tuning, objects = splits()["tuning"]["all"], splits()["objects"]
    asked = {name: tuning["keep"] for name in of_kind(tuning["erase"], "object")[: levels.TUNED]}
    asked |= {name: objects[name]["keep"] for name in PROBED}
    return [
        Task(
            f"{name}, {rounds}",
            "dev.results.harden:attacked",
            {"method": method, "name": name, "keep": keep},
        )
        for name, keep in asked.items()
        for rounds, method in ROUNDS.items()
    ] + levels.tasks()


def page(found: Mapping[str, Mapping[str, float]], setting: Mapping[str, Any]) -> str:
    """The page from task -> its results."""
    names = list(dict.fromkeys(task.rpartition(",")[0] for task in found if not task.startswith("levels")))
    groups = {
        "tuning split": [name for name in names if name not in PROBED],
        "frozen split": [name for name in names if name in PROBED],
    }
    lines = []
    for group, members in groups.items():
        for row, title in ROWS.items():
            cells = []
            for rounds in ROUNDS:
                shares = [found[f"{name}, {rounds}"][row] for name in members]
                cells.append(f"{100 * mean(shares):.1f} \u00b1 {100 * error(shares):.1f}")
            asked = group.startswith("frozen") and row != NAME
            cells.append(met(MOST, 100 * mean(shares)) if asked else "")
            lines.append(f"| {group}: {', '.join(members)} | {title} | " + " | ".join(cells) + " |")
    return HEAD.format(**setting, most=MOST) + "\n".join(lines) + "\n" + FOOT + levels.table(found, LEVELS)


def main() -> None:
    folder = kept_folder("harden")
    found = run(tasks(), folder, PICTURES)
    setting = {"images": PICTURES, "learning": LEARNING_STEPS, "without": min(ROUNDS), "rounds": max(ROUNDS)}
    told = {"setting": setting, "files": fingerprints(), "harden": found}
    (RESULTS / "harden.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "harden.md").write_text(page(found, setting))
    print((RESULTS / "harden.md").read_text())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
