"""What to erase, and what the model shall draw instead."""

from comfy_api.latest import io

from ..mace_core.concepts.concept_files import FORMATS, read_concepts
from ..mace_core.concepts.concepts import KINDS, parse_concepts
from .host.files import NONE, read_file, text_file_version, text_files
from .sockets import CATEGORY, Concepts, found_as


class EraseConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_EraseConcepts",
            display_name="Erase Concepts",
            category=CATEGORY,
            **found_as("unlearn", "forget", "remove concept", "concept erasure", "censor", "MACE"),
            description="Says what to erase and what the model shall draw instead. "
            "The first node of every MACE graph.",
            inputs=[
                io.String.Input(
                    "concepts",
                    multiline=True,
                    default="ship -> sea",
                    tooltip="One concept a line: target -> surrogate. Synonyms in brackets are erased "
                    "along with it: ship (boat, vessel) -> sea. A # starts a comment.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(KINDS),
                    default="object",
                    tooltip="What the concepts are: it chooses the prompts they are erased in. "
                    "A line may differ: style: Van Gogh -> art.",
                ),
                io.String.Input(
                    "synonyms",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="More synonyms. One concept: boat, vessel. "
                    "Several: one line each, ship: boat, vessel.",
                ),
                io.Combo.Input(
                    "file",
                    options=text_files(FORMATS),
                    default=NONE,
                    optional=True,
                    tooltip="A list in the host's input folder or in models/mace, read in place of the lines "
                    "above: CSV, JSON or YAML with target, surrogate, kind, synonyms, or such lines "
                    "as .txt. Press R after adding one.",
                ),
            ],
            outputs=[
                Concepts.Output(
                    display_name="concepts", tooltip="The concepts to erase with their surrogates."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, concepts):
        """Tells about a wrong line before anything runs; text from another node is read when it arrives.

        Only this input: the host repeats the sentence for every one that is named here.
        """
        if concepts is not None and concepts.strip():
            try:
                parse_concepts(concepts)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file=NONE, **_):
        return text_file_version(file, FORMATS)

    @classmethod
    def execute(cls, concepts, kind, synonyms="", file=NONE):
        if file == NONE:
            return io.NodeOutput(parse_concepts(concepts, kind, synonyms))
        return io.NodeOutput(read_concepts(read_file(file, FORMATS), file, kind))
