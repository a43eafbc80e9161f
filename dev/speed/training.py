"""Stage 2: one step of the exact trainer at the size of SD1.5, alone and in a batch.

It and the straight step train the same bfloat16 U-Net, in turn: the straight step runs after each step of the
pack, in the callback of the trainer.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from dev.fullsize.families import FAMILIES, random_clip, random_model, random_vae
from dev.fullsize.host import hosted
from dev.fullsize.measure import reset_peak, resident
from dev.speed.concepts import encoder, things
from dev.speed.plain.training import Model, PlainTraining
from dev.speed.timing import compared, rounded, taken

FAMILY, SIDE = FAMILIES["sd15"], 512  # pixels
ROUNDS, TOGETHER = 3, 4
RANK, LEARNING_RATE = 1, 1e-5
PROMPT, TOKENS = "a photo of a ship", [5]


def run() -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        comfy = hosted(Path(base))
        torch.manual_seed(0)
        with torch.inference_mode():
            model, clip, vae = random_model(FAMILY, torch.bfloat16), random_clip(FAMILY), random_vae()
            vae.first_stage_model.to(torch.bfloat16)
        plain = straight_model(comfy, model, clip, vae)
        alone = Steps(plain)
        train(comfy, model, 1, ROUNDS + 1, alone)
        batch = Steps(None)
        train(comfy, model, TOGETHER, 2, batch)
    together = batch.seconds[-1] / TOGETHER
    row = compared(
        f"one concept, {SIDE} x {SIDE} pixels",
        alone.seconds[1:],
        alone.straight,
        alone.limit,
        mib=rounded(max(alone.mib[1:])),
        plain_mib=rounded(max(alone.straight_mib)),
    )
    in_batch = compared(
        f"each of {TOGETHER} concepts in a batch",
        [together] * ROUNDS,
        alone.straight,
        alone.limit,
        mib=rounded(batch.mib[-1]),
    )
    return {"rows": [row, in_batch], "batch_gain": rounded(median(alone.seconds[1:]) / together)}


class Steps:
    """The callback of a training: what each step took. With a straight model, a straight step after each but
    the first, whose time contains the preparation."""

    def __init__(self, plain: Model | None):
        self.seconds, self.mib, self.straight, self.straight_mib = [], [], [], []
        self.limit, self._plain, self._training = 0.0, plain, None
        self._restart()

    def __call__(self, *_) -> None:
        self.seconds.append(time.process_time() - self._started)
        self.mib.append(resident("VmHWM") - self._before)
        if self._plain is not None:
            self._straight_step()
        self._restart()

    def _restart(self) -> None:
        reset_peak()
        self._before, self._started = resident("VmRSS"), time.process_time()

    def _straight_step(self) -> None:
        if self._training is None:
            self.limit = 2 * self._one_pass()
            self._training = PlainTraining(self._plain, fresh_factors(self._plain), LEARNING_RATE)
            return
        image, mask, t = torch.rand(1, 3, SIDE, SIDE), torch.ones(SIDE, SIDE), torch.tensor([300])
        one = taken(lambda: self._training.step(image, mask, PROMPT, TOKENS, t))
        self.straight.append(one.seconds)
        self.straight_mib.append(one.mib)

    def _one_pass(self) -> float:
        """CPU seconds of the U-Net alone: forward, which a backward pass to the activations takes again."""
        x, context = torch.randn(1, 4, SIDE // 8, SIDE // 8), torch.randn(1, 77, FAMILY.d)
        with torch.no_grad():
            return taken(lambda: self._plain.run(x, torch.tensor([300]), context)).seconds


def train(comfy, model, count: int, steps: int, on_step: Steps) -> None:
    """Train `count` concepts together with the pack, each on one random image."""
    exact, sets = comfy.module("mace_core.training.exact"), comfy.module("mace_core.training.training_set")
    Concept = comfy.module("mace_core.concepts.concepts").Concept
    latents = torch.randn(1, 4, SIDE // 8, SIDE // 8)
    images = sets.TrainingImages(latents, torch.ones(1, SIDE, SIDE))
    concepts = [Concept(each.target, each.surrogate) for each in things(count)]
    prompts = sets.training_prompts(encoder(FAMILY.d), concepts[0])
    jobs = [exact.TrainingJob(concept, prompts, images) for concept in concepts]
    settings = exact.TrainSettings(steps=steps, learning_rate=LEARNING_RATE, rank=RANK)
    conditioning = [[torch.zeros(1, 77, FAMILY.d), {}]] * count
    attention_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), attention_model(model, conditioning, latents, low_memory=False) as unet:
        on_step._restart()
        exact.train_concept_loras(unet, jobs, settings, on_step)


def straight_model(comfy, model, clip, vae) -> Model:
    """The host's model for the straight way."""
    network, sampling = model.model, model.model.model_sampling

    def run(x_t, t, context) -> torch.Tensor:
        return network.apply_model(x_t, sampling.sigmas[t], c_crossattn=context, transformer_options={})

    def encode_image(image) -> torch.Tensor:
        autoencoder = vae.first_stage_model
        pixels = (2 * image - 1).to(next(autoencoder.parameters()).dtype)
        return network.process_latent_in(autoencoder.encode(pixels).float())

    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    names = [name.removesuffix(".to_k") for name in layers if name.endswith(".to_k")]
    return Model(
        {name: network.get_submodule(name) for name in names},
        encode_image,
        lambda prompt: clip.encode_from_tokens(clip.tokenize(prompt)).float(),
        lambda x_0, t, eps: sampling.noise_scaling(sampling.sigmas[t], eps, x_0),
        run,
    )


def fresh_factors(plain: Model) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """U and D with gradients for every to_k and to_v."""
    factors = {}
    for name, module in plain.attentions.items():
        for which in ("to_k", "to_v"):
            o, d = getattr(module, which).weight.shape
            U, D = torch.zeros(o, RANK), torch.rand(RANK, d) / d**0.5
            factors[f"{name}.{which}"] = U.requires_grad_(), D.requires_grad_()
    return factors
