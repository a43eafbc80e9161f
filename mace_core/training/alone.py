"""Stage 2 on the model that is refined for one concept alone.

The paper trains each LoRA on the model refined for the whole list. A LoRA trained so is worth nothing as soon
as a concept is added or removed. Here each LoRA is trained on W T_c, where T_c refines for its own concept
only, as the paper does when it erases one object: without a prior, with a ridge of 10. The result depends on
no other concept and on no prior; lists grow and shrink at the price of one fusion (equation 7 with the T1 of
the whole list).

W T_c e = W (T_c e): the network stays as it is and reads refined text. So concepts with different T_c share a
batch. A LoRA on refined text, U (D' T_c e), is U D e with D = D' T_c.
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
    """prompts: a concept's own, with T_c on every embedding; T: T_c; C: of the text as it was, ``[d, d]``."""

    prompts: TrainingPrompts
    T: Tensor
    C: Tensor


def refined_text(encoder: TextEncoder, concept: Concept) -> RefinedText:
    """What to train ``concept`` on. Raises ValueError as ``training_prompts`` and ``concept_moments`` do."""
    moments = concept_moments(encoder, concept)
    T = refine([moments], None, ALONE)
    prompts = training_prompts(encoder, concept)
    embeddings = (prompts.encoded.embeddings.double() @ T.mT).float()
    return RefinedText(
        replace(prompts, encoded=EncodedPrompts(prompts.encoded.tokens, embeddings)), T, moments.C
    )


def on_plain_text(lora: ConceptLoRA, text: RefinedText) -> ConceptLoRA:
    """The LoRA trained on refined text as one on the text encoder's own, with its C."""
    D = {name: (d.double() @ text.T).float() for name, d in lora.D.items()}
    return replace(lora, D=D, C=text.C)
