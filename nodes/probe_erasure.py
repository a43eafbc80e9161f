"""Attacks an erasure within a fixed budget: how hard is it to bring the concepts back?"""

from comfy_api.latest import io, ui

from ..mace_core.attacks.relearn import Budget
from .arrived import checked
from .host.folders import write_result
from .host.images import shown_images, to_image
from .host.judge import judge_problem
from .host.progress import TimedProgress
from .inputs import cfg_input, evidence_inputs, judge_input, seed_input, steps_input
from .reports.probe_grid import draw_grid
from .reports.probe_text import report
from .reports.score_text import title_of
from .sockets import CATEGORY, found_as
from .work.probing import as_json, carry_out, plan, work_of
from .work.scoring import evidence_of


class ProbeErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
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
                *evidence_inputs(),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    default="",
                    tooltip="Your own prompts, one per line, in any language. 'ship: a hull on water' "
                    "applies to ship only, other lines to all.",
                ),
                judge_input(),
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
                seed_input("For the images, the misspellings and the training."),
                steps_input(),
                cfg_input(),
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
    @checked("judge")
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
    ) -> io.NodeOutput:
        evidence = evidence_of(before, after, clip, vae, latent, judge, images, seed, steps, cfg)
        budget, drawing = Budget(learning_steps, seed), evidence.drawing
        planned = plan(concepts, evidence.judge.vocabulary, prompts, budget)
        progress = TimedProgress("Probe", work_of(planned, drawing, budget))
        tried = carry_out(evidence, planned, budget, progress)
        facts = evidence.facts
        recovery = as_json(concepts, tried.results, drawing, budget, facts)
        saved = write_result("probes", ".json", recovery, "All settings", progress.warn)
        table = report(title_of(concepts), tried.results, drawing, budget, facts, saved)
        grid = to_image(draw_grid(title_of(concepts), tried.results, tried.images))
        shown = shown_images(grid, cls, progress.warn) | ui.PreviewText(table).as_dict()
        return io.NodeOutput(table, recovery, grid, ui=shown)

    @classmethod
    def validate_inputs(cls, judge) -> bool | str:
        return judge_problem(judge)
