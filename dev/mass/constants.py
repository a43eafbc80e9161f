"""`python -m dev.mass.constants`: tries other values for the constants of masks and of the fast trainer.

Each object of the tuning split (mini/splits.json) is erased alone from the miniature, as in template 2, with
one constant changed at a time. Writes docs/results/constants.md.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from dev.bench.bench import Bench, mean
from dev.bench.concepts import entry, others, without
from dev.bench.erasures import pictures
from dev.host.fetch import REPOSITORY
from dev.mass.plan import of_kind, splits

TEMPLATE = REPOSITORY / "workflows" / "02_erase_one_concept.json"
PAGE = REPOSITORY / "docs" / "results" / "constants.md"
IMAGES = 8
DROPS, RIDGES = (4.0, 8.0, 16.0, 32.0), (1e-4, 1e-3, 1e-2)
TIMESTEPS = ((300, 500, 700), (100, 300, 500), (500, 700, 900), (500,))
HEAD = f"""# Constants of masks and of the fast trainer

`python -m dev.mass.constants` writes this page. The objects of the tuning split are erased one at a time from
the bundled miniature, with the prior of template 2; {IMAGES} images per prompt, top-1 of the judge in
percent. Acc_e: images that still show the erased concept. Acc_g: images that show it when the prompt has a
synonym. Acc_s: images of preserved concepts that show their concept. Each row changes one constant; **bold**
rows have the pack's values.

| constant | value | Acc_e | Acc_g | Acc_s |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Setting:
    """The constants of one row: of the fast trainer, and the timesteps of the heat maps behind masks."""

    closed_form: object
    timesteps: tuple[int, ...] = TIMESTEPS[0]


def rows(default) -> list[tuple[str, str, Setting]]:
    """(constant, value, setting) per row; default: the pack's ClosedForm."""
    pack = Setting(default)
    return [
        *(("drop", f"{value:g}", Setting(replace(default, drop=value))) for value in DROPS),
        *(("ridge", f"{value:g}", Setting(replace(default, ridge=value))) for value in RIDGES),
        *(("timesteps", ", ".join(map(str, value)), replace(pack, timesteps=value)) for value in TIMESTEPS),
    ]


class Trial:
    """One concept of the miniature, prepared for an erasure with any constants."""

    def __init__(self, bench: Bench, concept: Mapping):
        self.bench, self.module, self.concept = bench, bench.host.module, concept
        (self.concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines([concept["name"]]))
        (self.prior,) = bench.run(
            "MACE_PreservePrior", clip=bench.clip, captions=without(concept, template_captions())
        )
        _, self.stage_1 = bench.run(
            "MACE_CrossAttnRefine",
            model=bench.model,
            clip=bench.clip,
            concepts=self.concepts,
            prior=self.prior,
        )
        [self.images] = pictures(bench, self.concepts)

    def figures(self, setting: Setting) -> tuple[float, float, float]:
        """Acc_e, Acc_g and Acc_s in percent."""
        bench, name = self.bench, self.concept["name"]
        (fused,) = bench.run(
            "MACE_FuseLoRAs",
            clip=bench.clip,
            refined=self.stage_1,
            concept_loras=(self.lora(setting),),
            prior=self.prior,
        )
        (model,) = bench.run("MACE_ApplyErasedModel", model=bench.model, erasure=fused, mode="linear")
        kept = mean(bench.names(model, others(bench.world, self.concept)).values())
        return 100 * bench.names(model, [name])[name], 100 * bench.synonyms(model, name), 100 * kept

    @torch.inference_mode()
    def lora(self, setting: Setting):
        """The LoRA that Train Concept LoRA makes with these constants, without the cache."""
        alone, (concept,) = self.module("mace_core.training.alone"), self.concepts
        prompt = self.module("mace_core.concepts.prompts").plain_prompt(concept)
        conditioning = self.bench.encoder.conditioning(prompt.target)
        heat = self.module("nodes.host.heat_maps").concept_heat(
            self.bench.model,
            self.bench.encoder,
            conditioning,
            prompt,
            self.images.latents,
            setting.timesteps,
        )
        masks = self.module("mace_core.training.masks").heat_to_mask(heat)
        text = alone.refined_text(self.bench.encoder, concept)
        settings = self.module("mace_core.training.settings").TrainSettings()
        attention_model = self.module("nodes.host.attention").attention_model
        with attention_model(self.bench.model, conditioning, self.images.latents, training=False) as unet:
            images = self.module("mace_core.training.training_set").TrainingImages(
                unet.scaled(self.images.latents), masks
            )
            lora, _ = self.module("mace_core.training.closed_form").fast_concept_lora(
                unet, text.prompts, images, concept, settings, constants=setting.closed_form
            )
        return alone.on_plain_text(lora, text)


def template_captions() -> str:
    """The captions of template 2's prior."""
    nodes = json.loads(TEMPLATE.read_text())["nodes"]
    prior = next(node for node in nodes if node["type"] == "MACE_PreservePrior")
    return prior["widgets_values"][0]


def line(constant: str, value: str, figures: Sequence[float], is_default: bool) -> str:
    cells = [constant, value, *(f"{each:.1f}" for each in figures)]
    return f"| {' | '.join(f'**{cell}**' if is_default else cell for cell in cells)} |"


def main() -> None:
    bench = Bench(images=IMAGES)
    default = bench.host.module("mace_core.training.closed_form").DEFAULT
    trials = [
        Trial(bench, entry(bench.world, name))
        for name in of_kind(splits()["tuning"]["all"]["erase"], "object")
    ]
    lines, known = [], {}
    for constant, value, setting in rows(default):
        key = (setting.closed_form, setting.timesteps)
        if key not in known:
            each = [trial.figures(setting) for trial in trials]
            known[key] = [mean(column) for column in zip(*each, strict=True)]
        lines.append(line(constant, value, known[key], setting == Setting(default)))
        print(lines[-1], flush=True)
    PAGE.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
