"""`python -m dev.results.harden`: attacks with a learned embedding on a gate with and without hardening.

Concepts of the tuning split one at a time, then those that the page about attacks probes. Writes
docs/results/harden.md and harden.json. An interrupted run resumes where it stopped.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dev.bench.bench import CFG, SAMPLER, SCHEDULER, SEED, SIZE, STEPS, Bench, fingerprints, mean
from dev.bench.erasures import Material, fuse, preserved, train
from dev.bench.errors import error
from dev.bench.tasks import Task, kept_folder, run
from dev.host.fetch import REPOSITORY
from dev.mass.plan import of_kind, splits
from dev.results.measure import LEARNING_STEPS, PICTURES
from dev.results.plan import PROBED

RESULTS = REPOSITORY / "docs" / "results"
ROUNDS = (0, 5)
TUNED = 4  # objects of the tuning split
OTHER = "lamp"  # the word that is learned in a prompt about something else
NAME, OWN, START, ELSEWHERE = "its own name", "from its name", "from the surrogate", "another prompt"
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
error over the concepts.

| concepts | prompt | harden {without} | harden {rounds} |
|---|---|---|---|
"""
FOOT = """
- **From its name**: the attack starts at the concept's own word, which a hardened gate replaces by a
  constant. A constant has no gradient, so this attack never starts: that it fails says little. The next row
  is the test.
- **From the surrogate's word**: the attack starts where it has gradients, in the same prompt.
- **Another prompt**: a hardened gate acts only in prompts about the concept, so that no other prompt changes.
  A vector learned in a prompt about something else passes. LoRA re-training is not hindered either.
"""


@dataclass(frozen=True)
class Attack:
    """A prompt, the phrase whose vectors are learned, and where they start; None: where they are."""

    prompt: str
    phrase: str
    start: torch.Tensor | None = None


def attacked(bench: Bench, name: str, keep: Sequence[str], rounds: int) -> dict[str, float]:
    """The share of images (0..1) that show the concept, by its name and by each attack."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines([name]))
    latents = _drawn(bench, bench.model, bench.encoder.conditioning(bench.prompt(name, name)))
    model = _hardened(bench, concepts, keep, rounds)
    found = {NAME: _shown(bench, model, name, bench.encoder.conditioning(bench.prompt(name, name)))}
    for label, attack in _attacks(bench, name, concepts[0]).items():
        found[label] = _shown(bench, model, name, _learned(bench, model, attack, latents))
    return found


def _hardened(bench: Bench, concepts, keep: Sequence[str], rounds: int):
    prior = preserved(bench, keep)
    given = {"model": bench.model, "clip": bench.clip, "concepts": concepts, "prior": prior}
    refined, stage_1 = bench.run("MACE_CrossAttnRefine", **given, harden=rounds)
    erasure = fuse(bench, Material(prior, refined, stage_1, train(bench, concepts, refined, {})))
    return bench.run("MACE_ApplyErasedModel", model=bench.model, erasure=erasure)[0]


def _attacks(bench: Bench, name: str, concept) -> dict[str, Attack]:
    calibrate = bench.host.module("mace_core.erasure.calibrate")
    pairs = calibrate.prompts_of_phrases(concept)
    surrogates = [calibrate.of_surrogate(pair) for pair in pairs[: len(pairs) // len(concept.phrases)]]
    prompt_rows = bench.host.module("mace_core.erasure.rows").prompt_rows
    start = prompt_rows(bench.encoder, surrogates).tokens[:, 0].mean(0)
    own = bench.prompt(name, name)
    return {
        OWN: Attack(own, name),
        START: Attack(own, name, start),
        ELSEWHERE: Attack(bench.prompt(name, OTHER), OTHER),
    }


@torch.inference_mode()
def _learned(bench: Bench, model, attack: Attack, latents) -> list:
    module = bench.host.module
    conditioning = bench.encoder.conditioning(attack.prompt)
    tokens = bench.encoder.encode([attack.prompt]).tokens[0]
    locate = module("mace_core.encoder.alignment").locate
    places = locate(bench.encoder, tokens, attack.prompt, attack.phrase)
    context = conditioning[0][0].clone()
    if attack.start is not None:
        context[:, places] = attack.start.to(context)
    relearn = module("mace_core.attacks.relearn")
    budget = relearn.Budget(LEARNING_STEPS, SEED)
    with module("nodes.host.attention").attention_model(model, conditioning * budget.batch, latents) as unet:
        learned, _ = relearn.learn_embedding(unet, unet.scaled(latents), context, places, budget)
    return [[learned, {}]]


def _drawn(bench: Bench, model, conditioning: list) -> torch.Tensor:
    (empty,) = bench.host.call("EmptyLatentImage", width=SIZE, height=SIZE, batch_size=PICTURES)
    (latent,) = bench.host.call(
        "KSampler",
        model=model,
        seed=SEED,
        steps=STEPS,
        cfg=CFG,
        sampler_name=SAMPLER,
        scheduler=SCHEDULER,
        positive=conditioning,
        negative=bench.encoder.conditioning(""),
        latent_image=empty,
        denoise=1.0,
    )
    return latent["samples"]


@torch.inference_mode()
def _shown(bench: Bench, model, name: str, conditioning: list) -> float:
    return bench.share(bench.vae.decode(_drawn(bench, model, conditioning)), name)


def tasks() -> list[Task]:
    """Each concept of both splits with each number of rounds."""
    tuning, objects = splits()["tuning"]["all"], splits()["objects"]
    asked = {name: tuning["keep"] for name in of_kind(tuning["erase"], "object")[:TUNED]}
    asked |= {name: objects[name]["keep"] for name in PROBED}
    return [
        Task(
            f"{name}, {rounds}", "dev.results.harden:attacked", {"name": name, "keep": keep, "rounds": rounds}
        )
        for name, keep in asked.items()
        for rounds in ROUNDS
    ]


def page(found: Mapping[str, Mapping[str, float]], setting: Mapping[str, Any]) -> str:
    """The page from task -> the results of `attacked`; tasks that have not run are left out."""
    names = list(dict.fromkeys(task.rpartition(",")[0] for task in found))
    groups = {
        "tuning split": [name for name in names if name not in PROBED],
        "frozen split": [name for name in names if name in PROBED],
    }
    lines = []
    for group, members in groups.items():
        for row, title in ROWS.items():
            cells = []
            for rounds in ROUNDS:
                shares = [found[f"{name}, {rounds}"][row] for name in members if f"{name}, {rounds}" in found]
                cells.append(f"{100 * mean(shares):.1f} \u00b1 {100 * error(shares):.1f}" if shares else "")
            lines.append(f"| {group}: {', '.join(members)} | {title} | " + " | ".join(cells) + " |")
    return HEAD.format(**setting) + "\n".join(lines) + "\n" + FOOT


def main() -> None:
    folder = kept_folder("harden")
    found = run(tasks(), folder, PICTURES)
    setting = {"images": PICTURES, "learning": LEARNING_STEPS, "without": ROUNDS[0], "rounds": ROUNDS[-1]}
    told = {"setting": setting, "files": fingerprints(), "harden": found}
    (RESULTS / "harden.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "harden.md").write_text(page(found, setting))
    print((RESULTS / "harden.md").read_text())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
