"""Ways to train the LoRAs of stage 2, beside the pack's own: rows of docs/results/trainers.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from dev.bench.bench import Bench
from dev.bench.erasures import pictures
from dev.mass.plan import KINDS, of_kind, splits

NOTHING = "T* only"
OWN = {"learning_rate": 5e-3, "trains": "keys", "stop_at": 0.05}  # as the node's defaults
BEFORE = {"samples": 8, "first": 200, "last": 400}
UNSEEN_SEED, UNSEEN = 999, 4


@dataclass(frozen=True)
class Way:
    """method: as in Train Concept LoRA; settings: of TrainSettings; constants: of ClosedForm; preset: the
    authors' values for each concept, with ``settings`` on top; prior: everyday words in the solve of D, as a
    multiple of the concept's own words."""

    method: str
    settings: Mapping = field(default_factory=dict)
    constants: Mapping = field(default_factory=dict)
    preset: str | None = None
    prior: float = 0.0


WAYS = {
    "fast (default)": Way("fast"),
    "fast, 8 samples": Way("fast", constants={"samples": 8}),
    "fast, 32 samples": Way("fast", constants={"samples": 32}),
    "fast, 8 samples from 200 to 400": Way("fast", constants=BEFORE),
    "fast, everyday words in D, weight 1": Way("fast", prior=1.0),
    "fast, everyday words in D, weight 10": Way("fast", prior=10.0),
    "exact (default)": Way("exact", OWN),
    "exact, keys and values": Way("exact", OWN | {"trains": "keys and values"}),
    "exact, keys and values, 0.002, 50 steps": Way("exact", {"learning_rate": 2e-3}),
    "exact, D from N(0, 1)": Way("exact", OWN | {"initial": "normal"}),
    "paper": Way("exact", preset="paper"),
    "paper, D uniform": Way("exact", {"initial": "uniform"}, preset="paper"),
    "published code": Way("exact", preset="published code"),
    "published code, D uniform": Way("exact", {"initial": "uniform"}, preset="published code"),
}


class Tuning:
    """The concepts of the tuning split with their training images; with `most`, so many of each kind."""

    def __init__(self, bench: Bench, most: int = 100):
        self.bench, self.module = bench, bench.host.module
        self.split = splits()["tuning"]["all"]
        erased = [name for kind in KINDS for name in of_kind(self.split["erase"], kind)[:most]]
        (self.concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(erased))
        self.images = pictures(bench, self.concepts)
        with torch.inference_mode():
            refined = self.module("mace_core.training.alone").refined_text
            self.texts = [refined(bench.encoder, concept) for concept in self.concepts]

    @torch.inference_mode()
    def loras(self, way: Way) -> list:
        """One LoRA per concept, for refined text."""
        return [self._lora(way, place, settings) for place, settings in enumerate(self.settings(way))]

    def settings(self, way: Way) -> list:
        """TrainSettings per concept."""
        if way.preset is None:
            made = self.module("mace_core.training.settings").TrainSettings
            return [made(**way.settings)] * len(self.concepts)
        authors = self.module("mace_core.presets").train_settings
        kinds = [concept.kind for concept in self.concepts]
        return [
            replace(authors(concept, kinds.count(concept.kind), way.preset), **way.settings)
            for concept in self.concepts
        ]

    def _lora(self, way: Way, place: int, settings):
        concept, text = self.concepts[place], self.texts[place]
        with self.unet(place, training=way.method == "exact") as unet:
            images = self.training_images(unet, place)
            if way.method == "exact":
                exact = self.module("mace_core.training.exact")
                return exact.train_concept_lora(unet, text.prompts, images, concept, settings)[0]
            fast = self.module("mace_core.training.closed_form")
            constants = fast.ClosedForm(**way.constants)
            lora, _ = fast.fast_concept_lora(
                unet, text.prompts, images, concept, settings, constants=constants
            )
        return self._with_prior(lora, place, way.prior) if way.prior else lora

    def _with_prior(self, lora, place: int, weight: float):
        """The same U; D = b^T (C + weight P + a I)^-1, with P of everyday words."""
        fast = self.module("mace_core.training.closed_form")
        prompts = self.texts[place].prompts
        samples = self.module("mace_core.training.samples")
        settings = self.module("mace_core.training.settings").TrainSettings()
        suppressed = samples.examples_of(prompts, self.images_of(place), settings).suppressed
        words = prompts.others.double()
        P = words.mT @ words * (suppressed.sum() / len(words))
        D = fast.token_direction(prompts.encoded.embeddings, suppressed, lora.C + weight * P)
        factors = type(lora.low_rank)(
            {layer: (U, D[None].float()) for layer, (U, _) in lora.low_rank.items()}
        )
        return replace(lora, low_rank=factors)

    def plain(self, loras: Sequence) -> tuple:
        """The LoRAs for the text encoder's own embeddings, as fusion takes them."""
        on_plain_text = self.module("mace_core.training.alone").on_plain_text
        return tuple(on_plain_text(lora, text) for lora, text in zip(loras, self.texts, strict=True))

    @torch.inference_mode()
    def effect(self, lora, place: int) -> dict[str, float]:
        """What a LoRA does on noise that no training used."""
        samples, core = self.module("mace_core.training.samples"), self.module("mace_core.training.effect")
        fast = self.module("mace_core.training.closed_form")
        settings = self.module("mace_core.training.settings").TrainSettings()
        prompts, nothing = self.texts[place].prompts, type(lora.low_rank)()
        generator = torch.Generator().manual_seed(UNSEEN_SEED)
        with torch.no_grad(), self.unet(place) as unet:
            examples = samples.examples_of(prompts, self.training_images(unet, place), settings)

            def found(first: int, last: int):
                xi = samples.between(first, last)
                held_out = samples.drawn_evenly(examples, xi, UNSEEN, generator)
                left = [
                    fast.held_out_loss(unet, held_out, each, settings.loss)
                    for each in (lora.low_rank, nothing)
                ]
                return core.effects_of(
                    unet, [held_out], [lora.low_rank], [prompts.others], [left[0] / left[1]], [0]
                )[0]

            everywhere, late, early = found(50, 950), found(300, 300), found(950, 950)
        return {
            "left": 100 * everywhere.left,
            "inside, t = 300": late.inside,
            "inside, t = 950": early.inside,
            "outside": everywhere.outside,
            "other words": everywhere.other,
            "dW / W": self._size(lora),
            "steps": lora.provenance.effect.steps,
        }

    def _size(self, lora) -> float:
        """|Delta W| / |W|, the mean over the trained layers."""
        weights = self.bench.model.model_state_dict("diffusion_model.")
        sizes = [
            (U @ D).norm() / weights[f"{layer}.weight"].float().norm()
            for layer, (U, D) in lora.low_rank.items()
        ]
        return float(sum(sizes) / len(sizes))

    def unet(self, place: int, training: bool = False):
        """The U-Net for one concept, as a context."""
        prompt = self.module("mace_core.concepts.prompts").plain_prompt(self.concepts[place])
        attention_model = self.module("nodes.host.attention").attention_model
        conditioning = self.bench.encoder.conditioning(prompt.target)
        return attention_model(self.bench.model, conditioning, self.images[place].latents, training=training)

    def training_images(self, unet, place: int):
        made = self.module("mace_core.training.training_set").TrainingImages
        return made(unet.scaled(self.images[place].latents), self.images[place].masks)

    def images_of(self, place: int):
        """The images as they are, where only their shape counts."""
        made = self.module("mace_core.training.training_set").TrainingImages
        return made(self.images[place].latents, self.images[place].masks)
