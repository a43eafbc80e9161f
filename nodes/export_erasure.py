"""Exports an erasure for programs without this pack: as a LoRA, full differences or a PEFT adapter."""

from comfy_api.latest import io, ui

from ..mace_core.erasure.erasure_file import PRECISIONS
from ..mace_core.erasure.export import FORMATS, PEFT, ExportSettings, export_erasure
from .arrived import checked
from .host.diffusers_names import effective_weights, projections
from .host.folders import check_export_name, write_export
from .host.patch import about_pooled
from .host.progress import Progress
from .sockets import CATEGORY, Erasure, found_as


class ExportErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_ExportErasure",
            display_name="Export Erasure",
            category=CATEGORY,
            **found_as("save LoRA", "LoRA file", "PEFT", "diffusers"),
            description="Exports an erasure to output/mace, for programs without this pack. An export "
            "is made for one MODEL; a file from Save Erasure fits every checkpoint with "
            "the same text encoder.",
            is_output_node=True,
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The original MODEL that the export is for. LoRAs applied before this node "
                    "count as part of it.",
                ),
                Erasure.Input("erasure", tooltip="The erasure to export."),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default=FORMATS[0],
                    tooltip="LoRA: for most programs. full difference: exact and large, for LoraLoader. PEFT "
                    "adapter: for peft, diffusers.",
                ),
                io.Int.Input(
                    "rank",
                    default=64,
                    min=0,
                    max=4096,
                    tooltip="Rank of the approximation of the closed-form part; concept LoRAs are added "
                    "exactly. Full difference ignores it.",
                ),
                io.String.Input(
                    "name",
                    default="erasure",
                    tooltip="File name in output/mace, with a subfolder if you like. A number is added; "
                    "nothing is overwritten.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="float32",
                    tooltip="float16 halves the file; the report shows the error.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report",
                    tooltip="The file, its rank, the energy retained and the relative error of the whole "
                    "edit.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, name) -> bool | str:
        if name is not None:
            try:
                check_export_name(name)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    @checked()
    def execute(
        cls,
        model,
        erasure,
        format,  # noqa: A002, the id of the input
        rank,
        name,
        precision="float32",
    ) -> io.NodeOutput:
        settings = ExportSettings(format, rank, precision)
        layers = projections(model, erasure)
        progress = Progress("Export", len(layers))
        exported, report = write_export(
            name,
            format == PEFT,
            lambda path: export_erasure(
                erasure, effective_weights(model, layers), settings, path, progress.step
            ),
        )
        report = "\n".join(filter(None, (str(exported), report, about_pooled(model, erasure))))
        progress.say(report)
        return io.NodeOutput(report, ui=ui.PreviewText(report))
