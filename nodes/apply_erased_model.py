"""Applies an erasure to a MODEL, as a patch."""

from comfy_api.latest import io, ui

from ..mace_core.erasure.transfer import NOT_CHECKED, transferred
from .arrived import checked
from .host.fingerprints import base_fingerprint
from .host.patch import about_pooled, apply_erasure
from .host.progress import Progress
from .host.text_encoder import doubt_about
from .sockets import CATEGORY, Erasure, found_as, shows_results

GATED, LINEAR = "gated", "linear"


class ApplyErasedModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_ApplyErasedModel",
            display_name="Apply Erased Model",
            category=CATEGORY,
            **found_as("unlearn", "forget", "remove concept", "concept erasure", "patch model"),
            **shows_results(),
            description="Applies an erasure to a MODEL as a patch. Bypass the node to get the "
            "original model back.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="Any MODEL of the same family that has no erasure yet. LoRAs applied before "
                    "this node stay active.",
                ),
                Erasure.Input(
                    "erasure", tooltip="From Fuse Concept LoRAs, Cross-Attention Refinement or Load Erasure."
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="1 applies the erasure, 0 gives the original model, values in between apply "
                    "it in part.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="Checks that the erasure was made for this text encoder.",
                ),
                io.Combo.Input(
                    "mode",
                    options=[GATED, LINEAR],
                    default=GATED,
                    optional=True,
                    tooltip="gated: only prompts about the concepts change. linear: changes the weights, for "
                    "Save Checkpoint and merges.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="erased",
                    tooltip="The erased model, a patched clone. Connect it to KSampler.",
                )
            ],
        )

    @classmethod
    @checked()
    def execute(cls, model, erasure, strength, clip=None, mode=GATED) -> io.NodeOutput:
        doubt = NOT_CHECKED if clip is None else doubt_about(clip, erasure)
        gated = mode == GATED and erasure.gate is not None
        erased = apply_erasure(model, erasure, strength, gated)
        base = base_fingerprint(model) if erasure.is_fused and erasure.base else ""
        said = " ".join(filter(None, (transferred(erasure, base, doubt), about_pooled(model, erasure))))
        if gated:
            said = f"Gated: prompts about other things do not change. {said}"
        elif mode == GATED:
            said = f"This erasure is from before gates, so it is applied as linear. {said}"
        Progress("Apply erasure", 1).step(said)
        return io.NodeOutput(erased, ui=ui.PreviewText(said))
