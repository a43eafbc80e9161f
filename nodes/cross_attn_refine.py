"""Stage 1: closed-form cross-attention refinement."""

from comfy_api.latest import io, ui

from ..mace_core.encoder.text_encoder import RememberingEncoder
from ..mace_core.erasure.erasure import closed_form_erasure
from ..mace_core.presets import OWN, refine_balance
from ..mace_core.refinement.moments import MomentSum
from .arrived import checked
from .host.fingerprints import base_fingerprint
from .host.patch import apply_erasure, cross_attention_layers
from .host.progress import Progress, check_interrupted, labelled
from .host.text_encoder import HostTextEncoder
from .inputs import balance_inputs, clip_input
from .sockets import CATEGORY, Concepts, Erasure, Prior, found_as
from .work.gates import GateMaker, projections_moment


class CrossAttnRefine(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_CrossAttnRefine",
            display_name="Cross-Attention Refinement",
            category=CATEGORY,
            **found_as("closed form", "UCE", "unlearn", "concept erasure", "remove concept", "stage 1"),
            description="Stage 1 of MACE, in seconds: maps the words around each target, and the "
            "start, end and padding tokens, to those of the surrogate's prompt. Stage 2 "
            "handles the target's own words.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The original MODEL. It is not changed: the output is a patched clone.",
                ),
                clip_input(),
                Concepts.Input("concepts", tooltip="From Erase Concepts."),
                Prior.Input(
                    "prior", optional=True, tooltip="What to preserve. Without a prior, only ridge preserves."
                ),
                *balance_inputs(
                    "Lambda 1 of the paper: the weight of the prior, once per concept. The paper "
                    "uses 0.0001 for people and styles.",
                    "Pulls the edit towards no edit. Higher values preserve more, erase less. The "
                    "paper uses 10 to 1000 for objects.",
                ),
                io.Int.Input(
                    "harden",
                    default=0,
                    min=0,
                    max=20,
                    optional=True,
                    tooltip="Rounds against learned embeddings, such as 5, in prompts about the concepts, "
                    "in mode gated.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="refined",
                    tooltip="The refined MODEL, for Train Concept LoRA or to generate images with.",
                ),
                Erasure.Output(
                    display_name="erasure",
                    tooltip="The same edit as an erasure: for Fuse Concept LoRAs, or to save as a preview.",
                ),
            ],
        )

    @classmethod
    @checked()
    def execute(cls, model, clip, concepts, prior=None, preset=OWN, harden=0, **balance) -> io.NodeOutput:
        layers = cross_attention_layers(model)
        encoder = RememberingEncoder(HostTextEncoder(clip))
        progress = Progress("Refine cross-attention", len(concepts))
        sums = {concept.kind: MomentSum(encoder, concepts) for concept in concepts}
        M = projections_moment(model, layers) if harden else None
        gates = GateMaker(encoder, concepts, prior, progress, harden, M)
        for concept, label in labelled(concepts):
            progress.say(label)
            sums[concept.kind].add(concept, lambda done, total: check_interrupted())
            gates.add(concept)
            progress.step(label)
        settings, weights = refine_balance(concepts, preset, **balance)
        moments = [total.moments().times(weights[kind]) for kind, total in sums.items()]
        base = base_fingerprint(model)
        erasure = closed_form_erasure(concepts, moments, prior, settings, base, gates.gate())
        said = gates.promises()
        progress.say(said)
        return io.NodeOutput(apply_erasure(model, erasure), erasure, ui=ui.PreviewText(said))
