"""Stage 3: closed-form fusion."""

from comfy_api.latest import io

from ..mace_core.erasure.erasure import fused_erasure
from ..mace_core.erasure.fuse import FuseSettings
from ..mace_core.presets import OWN, PRESETS, fuse_settings, own_kind_weights, own_weight
from .host.progress import Progress
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, PRESET, ConceptLoRAs, Erasure, Prior, expert, found_as


class FuseLoRAs(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_FuseLoRAs",
            display_name="Fuse Concept LoRAs",
            category=CATEGORY,
            **found_as("merge LoRAs", "closed form", "concept erasure", "stage 3"),
            description="Stage 3 of MACE: fuses all concept LoRAs in closed form, so that they do not "
            "interfere with each other.",
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the same checkpoint."),
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
                expert(
                    io.Float,
                    "preserve_weight",
                    default=3e-5,
                    min=0.0,
                    max=1e6,
                    step=1e-5,
                    round=False,
                    tooltip="Lambda 2 of the paper: the weight of the prior, once per concept.",
                ),
                expert(
                    io.Float,
                    "ridge",
                    default=100.0,
                    min=0.0,
                    max=1e6,
                    step=1.0,
                    round=False,
                    tooltip="Pulls the result towards the refinement without LoRAs.",
                ),
                io.Combo.Input("preset", options=list(PRESETS), default=OWN, optional=True, tooltip=PRESET),
            ],
            outputs=[
                Erasure.Output(
                    display_name="erasure",
                    tooltip="The complete MACE erasure, for Apply Erased Model and Save Erasure.",
                )
            ],
        )

    @classmethod
    def execute(cls, clip, refined, concept_loras, prior=None, preserve_weight=3e-5, ridge=100.0, preset=OWN):
        progress = Progress("Fuse Concept LoRAs", 1)
        progress.say(f"{len(concept_loras)} of {len(refined.concepts)} concepts")
        settings = FuseSettings(preserve_weight=own_weight(preserve_weight, refined.concepts), ridge=ridge)
        weights = own_kind_weights(refined.concepts)
        if preset != OWN:
            settings, weights = fuse_settings(refined.concepts), {}
        erasure = fused_erasure(HostTextEncoder(clip), refined, concept_loras, prior, settings, weights)
        progress.step("done")
        return io.NodeOutput(erasure)
