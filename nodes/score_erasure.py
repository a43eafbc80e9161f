"""Generates images before and after an erasure, classifies them, and reports the paper's metrics."""

import time

from comfy_api.latest import io, ui

from ..mace_core.evaluation.scores import summary
from .host.folders import write_result
from .host.images import to_image
from .host.judge import BUNDLED_NAME, HostJudge, facts_of, judge_names, judge_problem
from .host.patch import cross_attention_layers
from .host.progress import TimedProgress
from .host.sampling import check_vae, size_of
from .host.text_encoder import HostTextEncoder
from .reports.score_chart import draw_chart
from .reports.score_grid import draw_grid
from .reports.score_text import notes_of, report, title_of
from .sockets import CATEGORY, Concepts, expert, found_as
from .work.scoring import Drawing, as_json, choose_prompts, draw_and_judge


class ScoreErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_ScoreErasure",
            display_name="Score Erasure",
            category=CATEGORY,
            **found_as("evaluate", "benchmark", "metrics", "CLIP accuracy"),
            description="Generates images with the original and the erased model at the same seeds, "
            "classifies them with CLIP, and reports the paper's metrics.",
            is_output_node=True,
            inputs=[
                io.Model.Input("before", tooltip="The original MODEL."),
                io.Model.Input("after", tooltip="The erased MODEL, from Apply Erased Model."),
                io.Clip.Input("clip", tooltip="The CLIP of the same checkpoint."),
                io.Vae.Input("vae", tooltip="The VAE of the same checkpoint, to decode the images."),
                Concepts.Input("concepts", tooltip="The erased concepts, from Erase Concepts."),
                io.Latent.Input("latent", tooltip="An Empty Latent Image: sets the image size."),
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
                io.Combo.Input(
                    "judge",
                    options=judge_names(),
                    default=BUNDLED_NAME,
                    tooltip="Classifies images: a CLIPModel folder in models/mace/judges or models/clip. "
                    "The bundled one knows only the miniature.",
                ),
                io.Int.Input(
                    "images",
                    default=4,
                    min=1,
                    max=1000,
                    tooltip="Images per prompt. The paper uses 200; 4 give a first look, 20 an estimate.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=False,
                    tooltip="Seed of each prompt's first image; the next image uses the next seed.",
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
    def validate_inputs(cls, judge):
        return judge_problem(judge)

    @classmethod
    def execute(
        cls, before, after, clip, vae, concepts, latent, keep, synonyms, judge, images, seed, steps, cfg=7.5
    ):
        started = time.monotonic()
        cross_attention_layers(after)
        check_vae(vae)
        asked = HostJudge(judge, before)
        encoder = HostTextEncoder(clip)
        drawing = Drawing(images, seed, steps, cfg, size_of(latent))
        sets = choose_prompts(encoder, asked.vocabulary, concepts, keep, synonyms)
        progress = TimedProgress("Score", 2 * len(sets) * images * steps)
        scored = draw_and_judge((before, after), encoder, vae, asked, sets, drawing, progress)
        figures, title = summary(scored.scores), title_of(concepts)
        facts = facts_of(asked, before, after, encoder) | {"seconds": round(time.monotonic() - started, 1)}
        scores = as_json(concepts, scored.scores, drawing, facts)
        saved = write_result("scores", ".json", scores)
        table = report(title, scored.scores, figures, notes_of(drawing, facts, saved))
        grid = to_image(draw_grid(title, scored.scores, scored.pictures))
        chart = to_image(draw_chart(title, scored.scores, figures))
        shown = ui.PreviewImage(grid, cls=cls).as_dict() | ui.PreviewText(table).as_dict()
        return io.NodeOutput(table, scores, grid, chart, ui=shown)
