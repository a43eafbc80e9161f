"""`python -m dev.mass.compare_alone`: what it costs to train a LoRA on its own concept's refinement.

Runs stage 2 for a few concepts of the bundled miniature on the model refined for all of them (the paper), for
each concept alone (the pack), and without refinement; then fuses each result with a weak and a strong prior.
"attention": equation 3 after fusion, on noise that no training used, summed over the concepts. "change": the
relative change of keys and values for prompts to preserve. Lower is better for both.
"""

import argparse

import torch

from dev.host.in_process import InProcess, load_host
from mini.vocabulary import load_world

CHECKPOINT = "mace_mini_sd.safetensors"
KEEP = ("dog", "horse", "bird", "automobile", "house", "tree", "flower", "person", "mountain")
UNSEEN_KEPT = ["a photo of a turtle", "a red house in the snow", "a picture of a banana", "a parrot"]
WEIGHTS, UNSEEN, SEED = (1.0, 50.0), 24, 99
TRAINED_ON = ("the joint refinement", "its own refinement", "no refinement")


class Bench:
    """The loaded miniature, the training images of the concepts, and the LoRAs of each way to train."""

    def __init__(self, host: InProcess, names: list[str], steps: int, learning_rate: float):
        self.host = host
        self.model, self.clip, vae = host.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
        world = {each["name"]: each for each in load_world()["concepts"]}
        lines = "\n".join(f"{world[name]['kind']}: {name} -> {world[name]['surrogate']}" for name in names)
        (self.concepts,) = host.call("MACE_EraseConcepts", concepts=lines, kind="object")
        self.encoder = host.module("nodes.host.text_encoder").HostTextEncoder(self.clip)
        self.settings = host.module("mace_core.training.settings").TrainSettings(steps, learning_rate)
        drawn, _ = host.call(
            "MACE_DrawConcepts",
            model=self.model,
            clip=self.clip,
            vae=vae,
            images=8,
            steps=20,
            concepts=self.concepts,
            cfg=4.0,
            seed=0,
            width=64,
            height=64,
        )
        self.training_set, _ = host.call("MACE_MaskConcepts", training_set=drawn, method="attention")

    def stage_1(self, weight: float) -> tuple:
        """(prior, refined MODEL, its erasure)."""
        captions = "\n".join(f"a photo of a {name}" for name in KEEP)
        (prior,) = self.host.call("MACE_PreservePrior", clip=self.clip, captions=captions, weight=weight)
        return prior, *self.host.call(
            "MACE_CrossAttnRefine", model=self.model, clip=self.clip, concepts=self.concepts, prior=prior
        )

    def loras(self, trained_on: str, refined) -> tuple:
        """LoRAs trained one at a time, so that the three ways differ in nothing else."""
        training = self.host.module("nodes.work.training")
        model = refined if trained_on == TRAINED_ON[0] else self.model
        items = training.checked_items(self.concepts, self.training_set)
        progress = self.host.module("nodes.host.progress").TimedProgress("Train", 1)
        text_of = self.host.module("mace_core.training.alone").refined_text
        if trained_on != TRAINED_ON[1]:
            text_of = self.plain_text
        with torch.inference_mode():
            return tuple(
                lora
                for item in items
                for _, results in training.train_all(
                    model, self.encoder, [item], self.settings, "exact", progress, text_of
                )
                for lora, _ in results
            )

    def plain_text(self, encoder, concept):
        """The text embeddings without refinement, so that only the refinement of the MODEL has an effect."""
        alone = self.host.module("mace_core.training.alone")
        prompts = self.host.module("mace_core.training.training_set").training_prompts(encoder, concept)
        C = self.host.module("mace_core.refinement.moments").concept_moments(encoder, concept).C
        return alone.RefinedText(prompts, torch.eye(len(C), dtype=torch.float64), C)

    def attention(self, model) -> float:
        return sum(self.attention_to(model, concept) for concept in self.concepts)

    @torch.inference_mode()
    def attention_to(self, model, concept) -> float:
        core, samples = self.host.module, self.host.module("mace_core.training.samples")
        images = core("nodes.work.training_set").images_of(self.training_set, concept.target)
        prompts = core("mace_core.training.training_set").training_prompts(self.encoder, concept)
        trained_on = core("mace_core.training.training_set").TrainingImages(images.latents, images.masks)
        examples = samples.examples_of(prompts, trained_on, self.settings)
        prompt = core("mace_core.concepts.prompts").plain_prompt(concept).target
        xi, generator = samples.timesteps_of(self.settings), torch.Generator().manual_seed(SEED)
        sample = samples.draw(examples, xi, UNSEEN, generator)
        with core("nodes.host.attention").attention_model(
            model, self.encoder.conditioning(prompt), images.latents, training=False
        ) as unet:
            x_t = unet.noise(unet.scaled(sample.x_0), sample.t, sample.eps)
            maps = unet.attention(x_t, sample.t, sample.context, core("mace_core.training.factors").LowRank())
        losses = core("mace_core.training.attention_loss").attention_losses(
            maps, sample.suppressed, sample.masks, tuple(images.latents.shape[-2:])
        )
        return losses.mean().item()

    def change_of_kept(self, fused) -> float:
        kept = self.encoder.encode(UNSEEN_KEPT).embeddings.flatten(0, 1)
        edited_weight = self.host.module("mace_core.erasure.erasure").edited_weight
        change = before = 0.0
        for key, W in self.model.model_state_dict("diffusion_model.").items():
            if (layer := key.removesuffix(".weight")) in fused.low_rank:
                after = kept @ edited_weight(W, layer, fused).T
                change += (after - kept @ W.float().T).square().sum().item()
                before += (kept @ W.float().T).square().sum().item()
        return (change / before) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concepts", default="ship,cat,frog")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    given = parser.parse_args()
    bench = Bench(load_host(), given.concepts.split(","), given.steps, given.learning_rate)
    _, refined, _ = bench.stage_1(WEIGHTS[0])
    loras = {name: bench.loras(name, refined) for name in TRAINED_ON}
    print(f"{'prior':>6}  {'trained on':<22}{'attention':>10}{'change':>8}")
    for weight in WEIGHTS:
        prior, refined, stage_1 = bench.stage_1(weight)
        print(f"{weight:>6}  {'stage 1 alone':<22}{bench.attention(refined):>10.1f}")
        for name in TRAINED_ON:
            (fused,) = bench.host.call(
                "MACE_FuseLoRAs", clip=bench.clip, refined=stage_1, prior=prior, concept_loras=loras[name]
            )
            (erased,) = bench.host.call(
                "MACE_ApplyErasedModel", model=bench.model, erasure=fused, mode="linear"
            )
            print(
                f"{weight:>6}  {name:<22}{bench.attention(erased):>10.1f}{bench.change_of_kept(fused):>8.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
