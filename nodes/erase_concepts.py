"""Lists what to erase and what the model generates instead."""

from comfy_api.latest import io

from ..mace_core.concepts.concept_files import FORMATS, LARGEST, read_concepts
from ..mace_core.concepts.concepts import parse_concepts
from ..mace_core.concepts.kinds import KINDS
from .arrived import checked
from .host.files import NONE, read_file, text_file_version, text_files
from .sockets import CATEGORY, Concepts, found_as


class EraseConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_EraseConcepts",
            display_name="Erase Concepts",
            category=CATEGORY,
            **found_as("unlearn", "forget", "remove concept", "concept erasure", "censor", "MACE"),
            description="Lists what to erase and what the model generates instead. The first node of "
            "every MACE workflow.",
            inputs=[
                io.String.Input(
                    "concepts",
                    multiline=True,
                    default="ship -> sea",
                    tooltip="One per line: target -> surrogate. Synonyms in brackets are erased too: ship "
                    "(boat, vessel) -> sea.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(KINDS),
                    default="object",
                    tooltip="Selects the prompts that the concepts are erased in. A line can set its own "
                    "kind: style: Van Gogh -> art.",
                ),
                io.String.Input(
                    "synonyms",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="More synonyms. For one concept: boat, vessel. For several, one line per "
                    "concept: ship: boat, vessel.",
                ),
                io.Combo.Input(
                    "file",
                    options=text_files(FORMATS),
                    default=NONE,
                    optional=True,
                    tooltip="A .csv, .json, .yaml or .txt list in input or models/mace, read instead of the "
                    "lines. Press R after adding one.",
                ),
            ],
            outputs=[
                Concepts.Output(
                    display_name="concepts", tooltip="The concepts to erase, with their surrogates."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file=NONE, **_) -> str:
        return text_file_version(file, FORMATS)

    @classmethod
    @checked("file")
    def execute(cls, concepts, kind, synonyms="", file=NONE) -> io.NodeOutput:
        if file == NONE:
            return io.NodeOutput(parse_concepts(concepts, kind, synonyms))
        return io.NodeOutput(
            read_concepts(read_file(file, FORMATS, LARGEST, "a list of concepts"), file, kind)
        )
