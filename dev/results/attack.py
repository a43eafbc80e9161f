"""Attacks with a learned embedding, as Probe Erasure's, but in any prompt and from any start."""

from dataclasses import dataclass

import torch

from dev.bench.bench import CFG, SAMPLER, SCHEDULER, SEED, SIZE, STEPS, Bench
from dev.results.measure import LEARNING_STEPS, PICTURES

OTHER = "lamp"  # the word that is learned in a prompt about something else
OWN, START, ELSEWHERE = "from its name", "from the surrogate", "another prompt"


@dataclass(frozen=True)
class Attack:
    """A prompt, the phrase whose vectors are learned, and where they start; None: where they are."""

    prompt: str
    phrase: str
    start: torch.Tensor | None = None


def attacks(bench: Bench, name: str, concept) -> dict[str, Attack]:
    """In the concept's own prompt from two starts, and in another prompt."""
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
def learned(bench: Bench, model, attack: Attack, latents) -> list:
    """The attack's prompt as CONDITIONING, with what it learned on the images `latents`."""
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
        found, _ = relearn.learn_embedding(unet, unet.scaled(latents), context, places, budget)
    return [[found, {}]]


def latents_of(bench: Bench, name: str) -> torch.Tensor:
    """Images of the concept by the original model, which an attack learns from: `[n, 4, h, w]`."""
    return _drawn(bench, bench.model, bench.encoder.conditioning(bench.prompt(name, name)))


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
def shown(bench: Bench, model, name: str, conditioning: list) -> float:
    """The share of images (0..1) that show the concept."""
    return bench.share(bench.vae.decode(_drawn(bench, model, conditioning)), name)
