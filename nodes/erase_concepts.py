"""Lists what to erase and what the model generates instead."""

from comfy_api.latest import io, ui

from ..mace_core.concepts.chains import followed
from ..mace_core.concepts.concept_files import FORMATS, LARGEST, read_concepts
from ..mace_core.concepts.concepts import Concept, parse_concepts
from ..mace_core.concepts.kinds import KINDS
from ..mace_core.concepts.ready_lists import LISTS
from .arrived import checked
from .host.files import NONE, read_file, text_file_version, text_files
from .host.progress import Progress
from .sockets import CATEGORY, Concepts, found_as, shows_results


class EraseConcepts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_EraseConcepts",
            display_name="Erase Concepts",
            category=CATEGORY,
            **found_as("unlearn", "forget", "remove concept", "concept erasure", "censor", "MACE"),
            **shows_results(),
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
                    options=[*text_files(FORMATS), *LISTS],
                    default=NONE,
                    optional=True,
                    tooltip="Instead of the lines: a .csv, .json, .yaml or .txt list in input or models/mace "
                    "or of this pack.",
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
        listed, notes = followed(_listed(concepts, kind, synonyms, file))
        if not notes:
            return io.NodeOutput(listed)
        said = " ".join(notes)
        Progress("Erase concepts", 1).warn(said)
        return io.NodeOutput(listed, ui=ui.PreviewText(said))


def _listed(lines: str, kind: str, synonyms: str, file: str) -> tuple[Concept, ...]:
    if file == NONE:
        return parse_concepts(lines, kind, synonyms)
    if file in LISTS:
        return LISTS[file]
    return read_concepts(read_file(file, FORMATS, LARGEST, "a list of concepts"), file, kind)
