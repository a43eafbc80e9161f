"""Generates images before and after an erasure, classifies them, and reports the paper's metrics."""

from comfy_api.latest import io, ui

from ..mace_core.evaluation.never_named import DRAWN
from ..mace_core.evaluation.scores import summary
from .arrived import checked
from .host.folders import write_result
from .host.images import shown_images, to_image
from .host.judge import judge_problem
from .host.progress import TimedProgress
from .inputs import cfg_input, evidence_inputs, judge_input, seed_input, steps_input
from .reports.score_chart import draw_chart
from .reports.score_grid import draw_grid
from .reports.score_text import never_named_note, notes_of, report, title_of
from .sockets import CATEGORY, Prior, found_as
from .work.scoring import Lists, as_json, choose_prompts, draw_and_judge, evidence_of, work_of


class ScoreErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_ScoreErasure",
            display_name="Score Erasure",
            category=CATEGORY,
            **found_as("evaluate", "benchmark", "metrics", "CLIP accuracy"),
            description="Generates images with the original and the erased model at the same seeds, "
            "classifies them with CLIP, and reports the paper's metrics.",
            is_output_node=True,
            inputs=[
                *evidence_inputs(),
                io.String.Input(
                    "keep",
                    multiline=True,
                    default="",
                    tooltip="Concepts to preserve, one per line: cat, or style: Monet, or prompt: two "
                    "dogs. Empty: nine concepts the judge knows.",
                ),
                io.String.Input(
                    "synonyms",
                    multiline=True,
                    default="",
                    tooltip="Synonyms the erasure was not given: boat, vessel; or one line per concept, "
                    "ship: boat, vessel. Empty: the judge's.",
                ),
                judge_input(),
                io.Int.Input(
                    "images",
                    default=4,
                    min=1,
                    max=1000,
                    tooltip="Images per prompt. The paper uses 200; 4 give a first look, 20 an estimate.",
                ),
                seed_input("Seed of each prompt's first image; the next image uses the next seed."),
                steps_input(),
                cfg_input(),
                io.String.Input(
                    "never_named",
                    optional=True,
                    force_input=True,
                    tooltip="Concepts neither erased nor in the prior, one per line. "
                    f"Not connected: {DRAWN} of the judge's names.",
                ),
                Prior.Input(
                    "prior",
                    optional=True,
                    tooltip="From Preserve Prior: what its captions name is not drawn as never named.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="table", tooltip="All scores as Markdown."),
                io.String.Output(
                    display_name="scores",
                    tooltip="The same with all settings as JSON, also saved in output/mace.",
                ),
                io.Image.Output(display_name="grid", tooltip="Images before and after, at the same seeds."),
                io.Image.Output(display_name="chart", tooltip="The score of each prompt, before and after."),
            ],
        )

    @classmethod
    def validate_inputs(cls, judge) -> bool | str:
        return judge_problem(judge)

    @classmethod
    @checked("judge")
    def execute(
        cls, before, after, clip, vae, concepts, latent, keep, synonyms, judge, images, seed, steps, cfg=7.5,
        never_named=None, prior=None,
    ) -> io.NodeOutput:  # fmt: skip
        evidence = evidence_of(before, after, clip, vae, latent, judge, images, seed, steps, cfg)
        lists = Lists(keep, synonyms, never_named, prior)
        sets = choose_prompts(evidence, concepts, lists)
        progress = TimedProgress("Score", work_of(sets, evidence.drawing))
        scored = draw_and_judge(evidence, sets, progress)
        figures, title, facts = summary(scored.scores), title_of(concepts), evidence.facts
        scores = as_json(concepts, scored.scores, figures, evidence.drawing, facts)
        saved = write_result("scores", ".json", scores, "All settings", progress.warn)
        notes = [*notes_of(evidence.drawing, facts, saved), never_named_note(scored.scores, prior)]
        table = report(title, scored.scores, figures, notes)
        grid = to_image(draw_grid(title, scored.scores, scored.images))
        chart = to_image(draw_chart(title, scored.scores, figures))
        shown = shown_images(grid, cls, progress.warn) | ui.PreviewText(table).as_dict()
        return io.NodeOutput(table, scores, grid, chart, ui=shown)
