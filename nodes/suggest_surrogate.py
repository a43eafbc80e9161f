"""Suggests a surrogate for each target and reports what else its erasure can affect."""

from comfy_api.latest import io, ui

from ..mace_core.concepts.kinds import KINDS
from ..mace_core.concepts.lines import names
from ..mace_core.evaluation.suggest import concept_lines, parse_targets, report, suggest
from .arrived import checked
from .host.progress import Progress
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, found_as


class SuggestSurrogate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_SuggestSurrogate",
            display_name="Suggest Surrogate",
            category=CATEGORY,
            **found_as("replacement", "substitute", "similar words"),
            description="Suggests surrogates for each target by comparing phrases in the text "
            "encoder, without generating images. Also reports which concepts are most at "
            "risk and which names share words with the target.",
            is_output_node=True,
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the model to erase from."),
                io.String.Input(
                    "targets",
                    multiline=True,
                    default="ship",
                    tooltip="What to erase, one target per line: ship, or person: Jane Doe. A surrogate "
                    "you give is used: ship -> sea.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(KINDS),
                    default="object",
                    tooltip="The kind of lines that do not set their own.",
                ),
                io.String.Input(
                    "candidates",
                    multiline=True,
                    default="",
                    tooltip="Surrogates to consider in addition to the kind's own, one per line.",
                ),
                io.String.Input(
                    "keep",
                    multiline=True,
                    default="",
                    tooltip="Concepts to preserve, one per line, checked in addition to everyday concepts.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report",
                    tooltip="The nearest surrogates of each target, the concepts most at risk, and warnings.",
                ),
                io.String.Output(
                    display_name="concepts",
                    tooltip="The list with surrogates, for the text of Erase Concepts.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, targets) -> bool | str:
        if targets is not None:
            try:
                parse_targets(targets)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    @checked()
    def execute(cls, clip, targets, kind, candidates="", keep="") -> io.NodeOutput:
        concepts = parse_targets(targets, kind)
        progress = Progress("Suggest surrogates", len(concepts))
        suggestions = suggest(
            HostTextEncoder(clip),
            concepts,
            names(candidates),
            names(keep),
            lambda done, total: progress.step(f"{done} of {total}"),
        )
        text = report(suggestions)
        progress.say(f"\n{text}")
        return io.NodeOutput(text, concept_lines(suggestions), ui=ui.PreviewText(text))
