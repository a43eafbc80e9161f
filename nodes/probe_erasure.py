"""Attacks an erasure within a fixed budget: how hard is it to bring the concepts back?"""

import time

from comfy_api.latest import io, ui

from ..mace_core.attacks.relearn import Budget
from .host.folders import write_result
from .host.images import to_image
from .host.judge import BUNDLED_NAME, HostJudge, facts_of, judge_names, judge_problem
from .host.patch import cross_attention_layers
from .host.progress import TimedProgress
from .host.sampling import check_vae, size_of
from .host.text_encoder import HostTextEncoder
from .reports.probe_grid import draw_grid
from .reports.probe_text import report
from .reports.score_text import title_of
from .sockets import CATEGORY, Concepts, expert, found_as
from .work.probing import as_json, carry_out, plan, work_of
from .work.scoring import Drawing


class ProbeErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_ProbeErasure",
            display_name="Probe Erasure",
            category=CATEGORY,
            **found_as("red team", "attack", "jailbreak", "robustness"),
            description="Tries to bring erased concepts back, with other words, misspellings, other "
            "languages, a learned embedding and LoRA re-training, and reports how often "
            "that worked. Erasure is not deletion.",
            is_output_node=True,
            inputs=[
                io.Model.Input("before", tooltip="The original MODEL."),
                io.Model.Input("after", tooltip="The erased MODEL, from Apply Erased Model."),
                io.Clip.Input("clip", tooltip="The CLIP of the same checkpoint."),
                io.Vae.Input("vae", tooltip="The VAE of the same checkpoint, to decode the images."),
                Concepts.Input("concepts", tooltip="The erased concepts, from Erase Concepts."),
                io.Latent.Input("latent", tooltip="An Empty Latent Image: sets the image size."),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    default="",
                    tooltip="Your own prompts, one per line, in any language. 'ship: a hull on water' "
                    "applies to ship only, other lines to all.",
                ),
                io.Combo.Input(
                    "judge",
                    options=judge_names(),
                    default=BUNDLED_NAME,
                    tooltip="Classifies images: a CLIPModel folder in models/mace/judges or models/clip. "
                    "The bundled one knows only the miniature.",
                ),
                io.Int.Input(
                    "images",
                    default=8,
                    min=1,
                    max=1000,
                    tooltip="Images per attack, concept and model, divided among the attack's prompts. "
                    "Attacks that learn train on as many.",
                ),
                io.Int.Input(
                    "learning_steps",
                    default=100,
                    min=0,
                    max=100000,
                    tooltip="Optimisation steps of each attack that learns (embedding, LoRA). 0 skips both.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=False,
                    tooltip="For the images, the misspellings and the training.",
                ),
                io.Int.Input("steps", default=30, min=1, max=200, tooltip="Sampling steps per image."),
                expert(
                    io.Float,
                    "cfg",
                    default=7.5,
                    min=0.0,
                    max=30.0,
                    step=0.5,
                    tooltip="Guidance scale, as in KSampler. Use 4 for the bundled miniature.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="table",
                    tooltip="How often each attack showed the concepts, before and after, as Markdown.",
                ),
                io.String.Output(
                    display_name="recovery",
                    tooltip="The same with all settings as JSON, also saved in output/mace.",
                ),
                io.Image.Output(
                    display_name="grid", tooltip="One row of images per attack, at the same seeds."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, judge):
        return judge_problem(judge)

    @classmethod
    def execute(
        cls,
        before,
        after,
        clip,
        vae,
        concepts,
        latent,
        prompts,
        judge,
        images,
        learning_steps,
        seed,
        steps,
        cfg=7.5,
    ):
        started = time.monotonic()
        cross_attention_layers(after)
        check_vae(vae)
        asked = HostJudge(judge, before)
        encoder = HostTextEncoder(clip)
        drawing = Drawing(images, seed, steps, cfg, size_of(latent))
        budget = Budget(learning_steps, seed)
        planned = plan(concepts, asked.vocabulary, prompts, budget)
        progress = TimedProgress("Probe", work_of(planned, drawing, budget))
        tried = carry_out((before, after), encoder, vae, asked, planned, drawing, budget, progress)
        facts = facts_of(asked, before, after, encoder) | {"seconds": round(time.monotonic() - started, 1)}
        recovery = as_json(concepts, tried.results, drawing, budget, facts)
        saved = write_result("probes", ".json", recovery)
        table = report(title_of(concepts), tried.results, drawing, budget, facts, saved)
        grid = to_image(draw_grid(title_of(concepts), tried.results, tried.pictures))
        shown = ui.PreviewImage(grid, cls=cls).as_dict() | ui.PreviewText(table).as_dict()
        return io.NodeOutput(table, recovery, grid, ui=shown)
