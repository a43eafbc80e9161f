"""Stage 3: closed-form fusion."""

from comfy_api.latest import io

from ..mace_core.erasure.erasure import fused_erasure
from ..mace_core.presets import OWN, fuse_balance
from .arrived import checked
from .host.progress import Progress
from .host.text_encoder import HostTextEncoder
from .inputs import balance_inputs, clip_input
from .sockets import CATEGORY, ConceptLoRAs, Erasure, Prior, found_as


class FuseLoRAs(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_FuseLoRAs",
            display_name="Fuse Concept LoRAs",
            category=CATEGORY,
            **found_as("merge LoRAs", "closed form", "concept erasure", "stage 3"),
            description="Stage 3 of MACE: fuses all concept LoRAs in closed form, so that they do not "
            "interfere with each other.",
            inputs=[
                clip_input(),
                Erasure.Input("refined", tooltip="The erasure output of Cross-Attention Refinement."),
                ConceptLoRAs.Input(
                    "concept_loras",
                    tooltip="From Train Concept LoRA, trained on the MODEL of the same refinement.",
                ),
                Prior.Input(
                    "prior",
                    optional=True,
                    tooltip="What to preserve: connect the same prior as in the refinement.",
                ),
                *balance_inputs(
                    "Lambda 2 of the paper: the weight of the prior, once per concept.",
                    "Pulls the result towards the refinement without LoRAs.",
                ),
            ],
            outputs=[
                Erasure.Output(
                    display_name="erasure",
                    tooltip="The complete MACE erasure, for Apply Erased Model and Save Erasure.",
                )
            ],
        )

    @classmethod
    @checked()
    def execute(cls, clip, refined, concept_loras, prior=None, preset=OWN, **balance) -> io.NodeOutput:
        progress = Progress("Fuse Concept LoRAs", 1)
        progress.say(f"{len(concept_loras)} of {len(refined.concepts)} concepts")
        settings, weights = fuse_balance(refined.concepts, preset, **balance)
        erasure = fused_erasure(HostTextEncoder(clip), refined, concept_loras, prior, settings, weights)
        progress.step("done")
        return io.NodeOutput(erasure)
