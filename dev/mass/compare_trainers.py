"""`python -m dev.mass.compare_trainers`: what stage 2 adds to refinement, exact and fast side by side.

Each concept is erased alone from the bundled miniature, as in template 2, in this process. Acc_e, Acc_g and
Acc_s are defined as in the demo. "attention" is equation 3 on noise that no training used, in percent of the
refined model's. "CPU s" is the CPU time to train one concept, including text encoding and without the cache;
it does not depend on the load of the machine.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from dev.bench.bench import Bench, mean
from dev.bench.concepts import entry, others, without
from dev.bench.erasures import pictures

CONCEPTS = ("horse", "fox", "lion", "penguin", "owl", "elephant", "Mira Vance", "Rufus Marlow")
TEMPLATE = Path(__file__).resolve().parents[2] / "workflows" / "02_erase_one_concept.json"
UNSEEN_SEED, UNSEEN = 999, 16
COLUMNS = ("Acc_e", "Acc_g", "Acc_s", "attention", "CPU s")
Row = dict[str, float]


def main() -> None:
    arguments = parse_arguments()
    comparison = Comparison(
        Bench(images=arguments.images), {"steps": arguments.steps, "learning_rate": arguments.learning_rate}
    )
    rows: dict[str, list[Row]] = {}
    print(f"{'percent':<34}" + "".join(f"{name:>11}" for name in COLUMNS))
    for name in map(str.strip, arguments.concepts.split(",")):
        for method, row in comparison.rows(entry(comparison.bench.world, name)):
            rows.setdefault(method, []).append(row)
            print(line(f"{name}, {method}", row), flush=True)
    for method, each in rows.items():
        print(line(f"mean, {method}", {name: sum(row[name] for row in each) / len(each) for name in COLUMNS}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument(
        "--concepts", default=",".join(CONCEPTS), help="concepts of mini/world.json, separated by commas"
    )
    parser.add_argument("--images", type=int, default=8, help="images per prompt")
    parser.add_argument("--steps", type=int, default=50, help="steps of the exact trainer")
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, help="learning rate of the exact trainer"
    )
    return parser.parse_args()


def line(title: str, row: Row) -> str:
    return f"{title:<34}" + "".join(f"{row[name]:>11.2f}" for name in COLUMNS)


class Comparison:
    """Ways to train a concept of the miniature, side by side."""

    def __init__(self, bench: Bench, training: Mapping):
        self.bench, self.host, self.training = bench, bench.host, training
        self.run, self.model, self.clip = bench.run, bench.model, bench.clip

    def rows(self, concept: Mapping):
        """Yield (method, Row) for the original model, refinement only, exact and fast.

        concept: an entry of mini/world.json.
        """
        (concepts,) = self.run("MACE_EraseConcepts", concepts=self.bench.lines([concept["name"]]))
        (prior,) = self.run(
            "MACE_PreservePrior", clip=self.clip, captions=without(concept, template_captions())
        )
        refined, stage_1 = self.run(
            "MACE_CrossAttnRefine", model=self.model, clip=self.clip, concepts=concepts, prior=prior
        )
        masked = pictures(self.bench, concepts)
        reference = self.attention_loss(refined, concepts[0], masked[0])

        def row(model, seconds: float) -> Row:
            attention = self.attention_loss(model, concepts[0], masked[0]) / reference
            percent = [100 * each for each in (*self.accuracies(model, concept), attention)]
            return dict(zip(COLUMNS, (*percent, seconds), strict=True))

        yield "original model", row(self.model, 0.0)
        yield "refinement only", row(refined, 0.0)
        for method in ("exact", "fast"):
            began = time.process_time()
            lora = self.train(concepts, masked, method)
            seconds = time.process_time() - began
            (fused,) = self.run(
                "MACE_FuseLoRAs", clip=self.clip, refined=stage_1, concept_loras=(lora,), prior=prior
            )
            (erased,) = self.run("MACE_ApplyErasedModel", model=self.model, erasure=fused, mode="linear")
            yield method, row(erased, seconds)

    @torch.inference_mode()
    def train(self, concepts, training_set, method: str):
        """The LoRA that Train Concept LoRA makes for a concept, without the cache."""
        training = self.host.module("nodes.work.training")
        settings = self.host.module("mace_core.training.settings").TrainSettings(**self.training)
        progress = self.host.module("nodes.host.progress").TimedProgress("Compare", 1)
        items = training.checked_items(concepts, training_set)
        [(_, [(lora, _)])] = training.train_all(
            self.model, self.bench.encoder, items, settings, method, progress
        )
        return lora

    def accuracies(self, model, concept: Mapping) -> tuple[float, float, float]:
        """Acc_e, Acc_g and Acc_s (0..1); Acc_s is the mean over the first concepts of the same kind."""
        erased = self.bench.names(model, [concept["name"]])[concept["name"]]
        preserved = self.bench.names(model, others(self.bench.world, concept))
        return erased, self.bench.synonyms(model, concept["name"]), mean(preserved.values())

    @torch.inference_mode()
    def attention_loss(self, model, concept, images) -> float:
        """Equation 3 with images, prompts, timesteps and noise sampled with a seed that no training uses."""
        samples = self.host.module("mace_core.training.samples")
        training_set = self.host.module("mace_core.training.training_set")
        prompts = training_set.training_prompts(self.bench.encoder, concept)
        conditioning = self.bench.encoder.conditioning("")
        attention_model = self.host.module("nodes.host.attention").attention_model
        with attention_model(model, conditioning, images.latents, training=False) as unet:
            training = training_set.TrainingImages(unet.scaled(images.latents), images.masks)
            settings = self.host.module("mace_core.training.settings").TrainSettings()
            sample = samples.draw(
                samples.examples_of(prompts, training, settings),
                samples.timesteps_of(settings),
                UNSEEN,
                torch.Generator().manual_seed(UNSEEN_SEED),
            )
            x_t = unet.noise(sample.x_0, sample.t, sample.eps)
            maps = unet.attention(x_t, sample.t, sample.context, {})
            losses = self.host.module("mace_core.training.attention_loss").attention_losses
            return losses(maps, sample.suppressed, sample.masks, tuple(x_t.shape[-2:])).mean().item()


def template_captions() -> str:
    """The captions of template 2's prior."""
    nodes = json.loads(TEMPLATE.read_text())["nodes"]
    prior = next(node for node in nodes if node["type"] == "MACE_PreservePrior")
    return prior["widgets_values"][0]


if __name__ == "__main__":
    main()
