"""An erasure for programs without this pack: a stock LoRA, full differences, a PEFT adapter."""

from comfy_api.latest import io, ui

from ..mace_core.erasure.erasure_file import PRECISIONS
from ..mace_core.erasure.export import FORMATS, PEFT, ExportSettings, export_erasure
from .host.diffusers_names import effective_weights, projections
from .host.folders import check_export_name, new_export_path, relative_to_output
from .host.progress import Progress
from .sockets import CATEGORY, Erasure, at_least, found_as


class ExportErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_ExportErasure",
            display_name="Export Erasure",
            category=CATEGORY,
            **found_as("save LoRA", "LoRA file", "PEFT", "diffusers"),
            description="Writes an erasure for programs without this pack, into output/mace. "
            "Made for one MODEL, where Save Erasure fits all with its text encoder.",
            is_output_node=True,
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The MODEL the export is for, from before the erasure; "
                    "LoRAs in front of this node count as part of it.",
                ),
                Erasure.Input("erasure", tooltip="What to export."),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default=FORMATS[0],
                    tooltip="LoRA: for LoraLoader and diffusers, exact to its rank. Full "
                    "difference: for LoraLoader, exact and large. PEFT adapter: as LoRA, "
                    "a folder for peft and diffusers.",
                ),
                io.Int.Input(
                    "rank",
                    default=64,
                    min=0,
                    max=4096,
                    tooltip="Of the approximation of the closed-form part; the concepts' own LoRAs "
                    "come on top, exact. Not used by the full difference.",
                ),
                io.String.Input(
                    "name",
                    default="erasure",
                    tooltip="The name in output/mace, with a subfolder if you like; a number is added to it.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="float32",
                    tooltip="float16 halves the file; the report says what it costs.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report", tooltip="The file, and how exactly it stands for the erasure."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, name, rank):
        if name is not None:
            try:
                check_export_name(name)
            except ValueError as error:
                return str(error)
        return at_least(rank, 0, "The rank")

    @classmethod
    def execute(cls, model, erasure, format, rank, name, precision="float32"):
        settings = ExportSettings(format, rank, precision)
        layers = projections(model, erasure)
        path = new_export_path(name, is_folder=format == PEFT)
        progress = Progress("Export", len(layers))
        report = export_erasure(erasure, effective_weights(model, layers), settings, path, progress.step)
        report = f"{relative_to_output(path)}\n{report}"
        progress.say(report)
        return io.NodeOutput(report, ui=ui.PreviewText(report))
