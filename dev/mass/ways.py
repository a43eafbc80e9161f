"""Ways to train the LoRAs of stage 2, beside the pack's own: rows of docs/results/trainers.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from dev.bench.bench import Bench
from dev.bench.erasures import pictures, preserved
from dev.mass.plan import KINDS, of_kind, splits

NOTHING = "T* only"
OWN = {"learning_rate": 5e-3, "trains": "keys", "stop_at": 0.05}  # as the node's defaults
BEFORE = {"first": 200, "last": 400, "words": 0.0}
UNSEEN_SEED, UNSEEN = 999, 4


@dataclass(frozen=True)
class Way:
    """method: as in Train Concept LoRA; settings: of TrainSettings; constants: of ClosedForm; preset: the
    authors' values for each concept, with ``settings`` on top."""

    method: str
    settings: Mapping = field(default_factory=dict)
    constants: Mapping = field(default_factory=dict)
    preset: str | None = None


WAYS = {
    "fast (default)": Way("fast"),
    "fast, 16 samples": Way("fast", constants={"samples": 16}),
    "fast, 32 samples": Way("fast", constants={"samples": 32}),
    "fast, from 200 to 400, D without everyday words": Way("fast", constants=BEFORE),
    "fast, D without everyday words": Way("fast", constants={"words": 0.0}),
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
            self.never = self._never()
        self.prior = preserved(bench, self.split["keep"])

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
        return lora

    def plain(self, loras: Sequence) -> tuple:
        """The LoRAs for the text encoder's own embeddings, as fusion takes them."""
        on_plain_text = self.module("mace_core.training.alone").on_plain_text
        return tuple(on_plain_text(lora, text) for lora, text in zip(loras, self.texts, strict=True))

    @torch.inference_mode()
    def effect(self, lora, place: int) -> dict[str, float]:
        """What a LoRA does on noise that no training used, alone and fused with the prior."""
        samples, core = self.module("mace_core.training.samples"), self.module("mace_core.training.effect")
        fast = self.module("mace_core.training.closed_form")
        nothing, generator = type(lora.low_rank)(), torch.Generator().manual_seed(UNSEEN_SEED)
        settings = self.module("mace_core.training.settings").TrainSettings()
        text, plain = (
            self.texts[place],
            self.module("mace_core.training.training_set").training_prompts(
                self.bench.encoder, self.concepts[place]
            ),
        )
        fused = self._fused(lora, place)
        with torch.no_grad(), self.unet(place) as unet:
            images = self.training_images(unet, place)

            def found(edit, prompts, others, first: int, last: int):
                examples = samples.examples_of(prompts, images, settings)
                xi = samples.between(first, last)
                held_out = samples.drawn_evenly(examples, xi, UNSEEN, generator)
                left = [fast.held_out_loss(unet, held_out, each, settings.loss) for each in (edit, nothing)]
                return core.effects_of(unet, [held_out], [edit], [others], [left[0] / left[1]], [0])[0]

            never = (self.never.double() @ text.T.mT).float()
            everywhere, early = (
                found(lora.low_rank, text.prompts, never, *times) for times in ((50, 950), (950, 950))
            )
            after = found(fused, plain, self.never, 50, 950)
        return {
            "left": 100 * everywhere.left,
            "inside": everywhere.inside,
            "t = 950": early.inside,
            "outside": everywhere.outside,
            "other words": everywhere.other,
            "fused, inside": after.inside,
            "fused, other words": after.other,
            "dW / W": self._size(lora),
            "steps": lora.provenance.effect.steps,
        }

    def _fused(self, lora, place: int):
        """Equation 7 for this concept alone, with the nodes' defaults: U* D*, float32."""
        core = self.module("mace_core.erasure.fuse")
        on_plain_text = self.module("mace_core.training.alone").on_plain_text
        plain = on_plain_text(lora, self.texts[place])
        _, fused = core.fuse(self.texts[place].T, [plain], self.prior, core.FuseSettings())
        return fused.each(lambda factor: factor.float())

    def _never(self):
        """Words of what nobody names, styles left out, ``[n, d]``."""
        concept = self.module("mace_core.concepts.concepts").Concept
        plain_prompt = self.module("mace_core.concepts.prompts").plain_prompt
        prompt_rows = self.module("mace_core.erasure.rows").prompt_rows
        pairs = [
            plain_prompt(concept(name, "something", kind))
            for kind in ("object", "person")
            for name in of_kind(self.split["never"], kind)
        ]
        return prompt_rows(self.bench.encoder, pairs).tokens[:, 0]

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
