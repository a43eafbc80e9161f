"""Stage 2 on a model that is refined for one concept only.

The paper trains each LoRA on the model refined for the whole list. Such a LoRA becomes useless as soon as a
concept is added or removed. Here each LoRA is trained on W T_c, where T_c refines for its own concept only,
as the paper does when it erases one object: without a prior, with a ridge of 10. The result depends on no
other concept and no prior, so changing a list only costs one fusion (equation 7 with the T1 of the whole
list).

W T_c e = W (T_c e): the U-Net stays as it is and reads refined text, so concepts with different T_c can share
a batch. A LoRA on refined text, U (D' T_c e), is U D e with D = D' T_c.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..concepts.concepts import Concept
from ..encoder.text_encoder import EncodedPrompts, TextEncoder
from ..refinement.moments import concept_moments
from ..refinement.refine import RefineSettings, refine
from .lora import ConceptLoRA
from .training_set import TrainingPrompts, training_prompts

ALONE = RefineSettings(preserve_weight=0.0, ridge=10.0)


@dataclass(frozen=True, eq=False)
class RefinedText:
    """prompts: a concept's own, with T_c applied to every embedding; T: T_c ``[d, d]``; C: of the original
    text, ``[d, d]``."""

    prompts: TrainingPrompts
    T: Tensor
    C: Tensor


def refined_text(encoder: TextEncoder, concept: Concept) -> RefinedText:
    """The text to train ``concept`` on. Raises ValueError as ``training_prompts`` and ``concept_moments``
    do."""
    moments = concept_moments(encoder, concept)
    T = refine([moments], None, ALONE)
    prompts = training_prompts(encoder, concept)

    def refined(e: Tensor) -> Tensor:
        return (e.double() @ T.mT).float()

    encoded = EncodedPrompts(prompts.encoded.tokens, refined(prompts.encoded.embeddings))
    return RefinedText(replace(prompts, encoded=encoded, others=refined(prompts.others)), T, moments.C)


def on_plain_text(lora: ConceptLoRA, text: RefinedText) -> ConceptLoRA:
    """A LoRA trained on refined text, as one for the text encoder's own embeddings, with their C."""
    return replace(lora, low_rank=lora.low_rank.on_text(text.T), C=text.C)
