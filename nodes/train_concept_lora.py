"""Stage 2: trains one LoRA per concept."""

from comfy_api.latest import io, ui

from ..mace_core.presets import (
    OWN,
    OWN_END_OF_TEXT,
    TRAINING_PRESETS,
    VARIANTS,
    own_train_settings,
    train_settings,
)
from ..mace_core.training.settings import TrainSettings
from .arrived import checked
from .host.images import shown_images, to_image
from .host.patch import cross_attention_layers, require_refined
from .host.progress import Progress
from .host.text_encoder import HostTextEncoder
from .inputs import clip_input, expert, seed_input
from .reports.loss_curves import loss_sheet
from .sockets import (
    CATEGORY,
    ConceptLoRAs,
    Concepts,
    LossMap,
    TrainingSet,
    at_least,
    found_as,
    prompt_of,
    shows_results,
)
from .work.training import EXACT, FAST, METHODS, checked_items
from .work.training_store import trained


class TrainConceptLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_TrainConceptLoRA",
            display_name="Train Concept LoRA",
            category=CATEGORY,
            **found_as("unlearn", "forget", "finetune", "stage 2"),
            **shows_results(),
            description="Stage 2 of MACE: trains one small LoRA per concept that removes attention to "
            "the concept inside its masks.",
            inputs=[
                io.Model.Input(
                    "refined", tooltip="The MODEL output of Cross-Attention Refinement. It is not changed."
                ),
                clip_input(),
                Concepts.Input("concepts", tooltip="From Erase Concepts."),
                TrainingSet.Input("training_set", tooltip="Training images with masks, from Mask Concepts."),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=10000,
                    tooltip="Exact method only: training steps per concept. The paper uses 50.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=2e-3,
                    min=1e-7,
                    max=1.0,
                    step=1e-4,
                    round=False,
                    tooltip="Exact method only. 0.002 works for the miniature; the paper: 0.00001 for one "
                    "object, 0.0001 for people and styles.",
                ),
                seed_input("The same seed trains the same LoRA."),
                expert(
                    io.Int,
                    "rank",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="Exact method only: the rank of each LoRA. The paper uses 1.",
                ),
                expert(
                    io.Boolean,
                    "focal_sampling",
                    default=True,
                    tooltip="Concept-focal importance sampling: favours timesteps where the concept takes "
                    "shape. Never for explicit.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default=FAST,
                    optional=True,
                    tooltip="fast: a closed form, ignores steps, learning_rate and rank. exact: trains as in "
                    "the paper, many times slower.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(TRAINING_PRESETS),
                    default=OWN,
                    optional=True,
                    tooltip="end of text too: also removes attention to the end token. paper, published "
                    "code: the authors' values, exact.",
                ),
            ],
            hidden=[io.Hidden.prompt],
            outputs=[
                ConceptLoRAs.Output(
                    display_name="concept_loras", tooltip="One LoRA per concept, for Fuse Concept LoRAs."
                ),
                LossMap.Output(display_name="loss", tooltip="For ComfyUI's Plot Loss Graph node."),
            ],
        )

    @classmethod
    def validate_inputs(cls, rank=1) -> bool | str:
        return at_least(rank, 1, "The rank of the LoRAs")

    @classmethod
    @checked()
    def execute(
        cls,
        refined,
        clip,
        concepts,
        training_set,
        steps,
        learning_rate,
        seed,
        rank=1,
        focal_sampling=True,
        method=FAST,
        preset=OWN,
    ) -> io.NodeOutput:
        cross_attention_layers(refined)
        require_refined(refined, concepts)
        items = checked_items(concepts, training_set)
        own = TrainSettings(
            steps,
            learning_rate,
            rank,
            cfis=focal_sampling,
            seed=seed,
            suppress_end_of_text=preset == OWN_END_OF_TEXT,
        )
        settings = _by_kind(concepts, preset, own)
        method = EXACT if preset in VARIANTS else method  # the authors have no other method
        results = trained(refined, HostTextEncoder(clip), items, settings, method, prompt_of(cls))
        report = [
            f"{lora.concept.target}: attention loss {loss[0]:.4g} -> {loss[-1]:.4g}" for lora, loss in results
        ]
        progress = Progress("Train LoRA", 1)
        progress.say("; ".join(report))
        losses = [value for _, loss in results for value in loss]
        curves = to_image(loss_sheet([(lora.concept.target, loss) for lora, loss in results]))
        shown = shown_images(curves, cls, progress.warn) | ui.PreviewText("\n".join(report)).as_dict()
        return io.NodeOutput(tuple(lora for lora, _ in results), {"loss": losses}, ui=shown)


def _by_kind(concepts, preset, own) -> list[TrainSettings]:
    """One TrainSettings per concept."""
    if preset in (OWN, OWN_END_OF_TEXT):
        return own_train_settings(concepts, own)
    kinds = [concept.kind for concept in concepts]
    return [
        train_settings(concept, kinds.count(concept.kind), preset, own.rank, own.seed) for concept in concepts
    ]
