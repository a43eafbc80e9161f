"""Stage 1: closed-form cross-attention refinement."""

from comfy_api.latest import io

from ..mace_core.encoder.text_encoder import RememberingEncoder
from ..mace_core.erasure.erasure import closed_form_erasure
from ..mace_core.presets import OWN, PRESETS, own_kind_weights, own_weight, refine_settings
from ..mace_core.refinement.moments import MomentSum
from ..mace_core.refinement.refine import RefineSettings
from .host.fingerprints import base_fingerprint
from .host.patch import apply_erasure, cross_attention_layers
from .host.progress import Progress, check_interrupted, labelled
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, PRESET, Concepts, Erasure, Prior, expert, found_as


class CrossAttnRefine(io.ComfyNode):
    @classmethod
    def define_schema(cls):
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
                io.Clip.Input("clip", tooltip="The CLIP of the same checkpoint."),
                Concepts.Input("concepts", tooltip="From Erase Concepts."),
                Prior.Input(
                    "prior", optional=True, tooltip="What to preserve. Without a prior, only ridge preserves."
                ),
                expert(
                    io.Float,
                    "preserve_weight",
                    default=3e-5,
                    min=0.0,
                    max=1e6,
                    step=1e-5,
                    round=False,
                    tooltip="Lambda 1 of the paper: the weight of the prior, once per concept. The paper "
                    "uses 0.0001 for people and styles.",
                ),
                expert(
                    io.Float,
                    "ridge",
                    default=100.0,
                    min=0.0,
                    max=1e6,
                    step=1.0,
                    round=False,
                    tooltip="Pulls the edit towards no edit. Higher values preserve more, erase less. The "
                    "paper uses 10 to 1000 for objects.",
                ),
                io.Combo.Input("preset", options=list(PRESETS), default=OWN, optional=True, tooltip=PRESET),
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
    def execute(cls, model, clip, concepts, prior=None, preserve_weight=3e-5, ridge=100.0, preset=OWN):
        cross_attention_layers(model)
        encoder = RememberingEncoder(HostTextEncoder(clip))
        progress = Progress("Refine cross-attention", len(concepts))
        sums = {concept.kind: MomentSum(encoder, concepts) for concept in concepts}
        for concept, label in labelled(concepts):
            progress.say(label)
            sums[concept.kind].add(concept, lambda done, total: check_interrupted())
            progress.step(label)
        settings = RefineSettings(preserve_weight=own_weight(preserve_weight, concepts), ridge=ridge)
        weights = own_kind_weights(concepts)
        if preset != OWN:
            settings, weights = refine_settings(concepts, preset), dict.fromkeys(sums, 1.0)
        moments = [total.moments().times(weights[kind]) for kind, total in sums.items()]
        erasure = closed_form_erasure(concepts, moments, prior, settings, base_fingerprint(model))
        return io.NodeOutput(apply_erasure(model, erasure), erasure)
