"""Saves an erasure to a file in models/mace."""

from comfy_api.latest import io, ui

from ..mace_core.erasure.erasure_file import PRECISIONS, save_erasure
from .arrived import checked
from .host.folders import check_new_name, write_erasure
from .host.progress import Progress
from .sockets import CATEGORY, Erasure, found_as


class SaveErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_SaveErasure",
            display_name="Save Erasure",
            category=CATEGORY,
            **found_as("write erasure", "keep erasure", "concept erasure"),
            description="Saves an erasure as one small file in models/mace. Nothing is ever overwritten.",
            is_output_node=True,
            inputs=[
                Erasure.Input("erasure", tooltip="The erasure to save."),
                io.String.Input(
                    "name",
                    default="erasure",
                    tooltip="The file's name, with a subfolder if you like. A number is added.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="float32",
                    optional=True,
                    tooltip="Precision of the low-rank part. float16 halves the file; float32 reproduces "
                    "the same images bit for bit.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def validate_inputs(cls, name) -> bool | str:
        if name is not None:
            try:
                check_new_name(name)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    @checked()
    def execute(cls, erasure, name, precision="float32") -> io.NodeOutput:
        saved = write_erasure(name, lambda path: save_erasure(erasure, path, precision))
        Progress("Saved", 1).step(saved)
        return io.NodeOutput(ui=ui.PreviewText(saved))
