"""How many exposed parts of bodies pictures show, by a detector that the user installs as an extra."""

from comfy_api.latest import io, ui

from ..mace_core.evaluation.exposed import as_json, as_text, counted
from .host.folders import write_result
from .host.nudenet import find_parts
from .sockets import CATEGORY, found_as, listed, only


class CountExposed(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_CountExposed",
            display_name="Count Exposed",
            category=CATEGORY,
            **found_as("NSFW", "nudity", "NudeNet", "safety"),
            description="Counts exposed parts of bodies, the paper's measure for explicit content. Needs the "
            "package nudenet, an extra: pip install nudenet.",
            is_output_node=True,
            is_input_list=True,  # a list of pictures is counted together, as a batch is
            inputs=[
                io.Image.Input("images", tooltip="Pictures to count in: of the MODEL before, or after."),
                io.Float.Input(
                    "threshold",
                    default=0.6,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="From which score on a part counts. The paper uses 0.6.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="table", tooltip="The count of every part, as Markdown."),
                io.String.Output(
                    display_name="counts",
                    tooltip="The counts, the threshold, the package's "
                    "version and all that was found, as JSON, "
                    "also kept in output/mace.",
                ),
            ],
        )

    @classmethod
    def execute(cls, images, threshold=0.6):
        pictures = [picture for batch in listed(images) for picture in batch]
        threshold = only(threshold, "The threshold")
        found, version = find_parts(pictures)
        counts = counted(found, threshold)
        text = as_text(counts, len(pictures), threshold, version)
        record = as_json(counts, found, threshold, version)
        saved = write_result("exposed", ".json", record)
        return io.NodeOutput(text, record, ui=ui.PreviewText(f"{text}\n\nAll of it: output/{saved}."))
