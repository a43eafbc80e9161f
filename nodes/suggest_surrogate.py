"""A surrogate for each target, and what the erasure may hit besides, before anything is erased."""

from comfy_api.latest import io, ui

from ..mace_core.concepts.concepts import KINDS
from ..mace_core.concepts.lines import items
from ..mace_core.evaluation.suggest import concept_lines, parse_targets, report, suggest
from .host.progress import Progress
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, found_as


class SuggestSurrogate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_SuggestSurrogate",
            display_name="Suggest Surrogate",
            category=CATEGORY,
            **found_as("replacement", "substitute", "similar words"),
            description="Asks the text encoder, without drawing: what to put in place of each target, which "
            "concepts are most at risk, and who shares a name with it.",
            is_output_node=True,
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model to erase from."),
                io.String.Input(
                    "targets",
                    multiline=True,
                    default="ship",
                    tooltip="What to erase, one a line: ship, or person: Jane Doe. A line with a "
                    "surrogate, ship -> sea, keeps it.",
                ),
                io.Combo.Input(
                    "kind", options=list(KINDS), default="object", tooltip="What lines without a kind are."
                ),
                io.String.Input(
                    "candidates",
                    multiline=True,
                    default="",
                    tooltip="Surrogates to consider, one a line, beside those of the kind.",
                ),
                io.String.Input(
                    "keep",
                    multiline=True,
                    default="",
                    tooltip="What shall stay, one a line, looked at beside everyday concepts.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="What is near to each target, and warnings."),
                io.String.Output(
                    display_name="concepts",
                    tooltip="The list with surrogates, for the text of Erase Concepts.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, targets):
        if targets is not None:
            try:
                parse_targets(targets)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    def execute(cls, clip, targets, kind, candidates="", keep=""):
        concepts = parse_targets(targets, kind)
        progress = Progress("Suggest surrogates", len(concepts))
        suggestions = suggest(
            HostTextEncoder(clip),
            concepts,
            items(candidates),
            items(keep),
            lambda done, total: progress.step(f"{done} of {total}"),
        )
        text = report(suggestions)
        return io.NodeOutput(text, concept_lines(suggestions), ui=ui.PreviewText(text))
