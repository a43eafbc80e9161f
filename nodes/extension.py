"""Registers this pack with the host: its model folder, the bundled miniature and the nodes."""

from comfy_api.latest import ComfyExtension, io

from ..mini.checkpoint import register as register_mini_model
from .apply_erased_model import ApplyErasedModel
from .count_exposed import CountExposed
from .cross_attn_refine import CrossAttnRefine
from .draw_concepts import DrawConcepts
from .erase_concepts import EraseConcepts
from .export_erasure import ExportErasure
from .fuse_loras import FuseLoRAs
from .host.registration import register_model_folder
from .load_erasure import LoadErasure
from .mask_concepts import MaskConcepts
from .preserve_prior import PreservePrior
from .probe_erasure import ProbeErasure
from .save_erasure import SaveErasure
from .score_erasure import ScoreErasure
from .suggest_surrogate import SuggestSurrogate
from .train_concept_lora import TrainConceptLoRA
from .training_set_from_images import TrainingSetFromImages
from .view_attention import ViewAttention


class MaceExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_model_folder()
        register_mini_model()
        return [
            EraseConcepts,
            PreservePrior,
            CrossAttnRefine,
            DrawConcepts,
            MaskConcepts,
            TrainingSetFromImages,
            TrainConceptLoRA,
            FuseLoRAs,
            ApplyErasedModel,
            SaveErasure,
            LoadErasure,
            ScoreErasure,
            ViewAttention,
            SuggestSurrogate,
            ProbeErasure,
            CountExposed,
            ExportErasure,
        ]
