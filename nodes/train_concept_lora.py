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
from ..mace_core.training.lora import ConceptLoRA
from ..mace_core.training.settings import KEYS, KEYS_AND_VALUES, STOP_AT, TrainSettings
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
from .work.training import EXACT, FAST, checked_items
from .work.training_store import trained

EXACT_VALUES = f"{EXACT}, {KEYS_AND_VALUES}"  # as in the paper


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
                    tooltip="Exact method only: the most training steps per concept. The paper uses 50.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=5e-3,
                    min=1e-7,
                    max=1.0,
                    step=1e-4,
                    round=False,
                    tooltip="Exact method only. 0.005 works for the miniature. The authors' values are for "
                    "another start: use preset.",
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
                    tooltip="Exact method only: favours timesteps where the concept takes shape. Never for "
                    "explicit.",
                ),
                io.Combo.Input(
                    "method",
                    options=[EXACT, FAST, EXACT_VALUES],
                    default=FAST,
                    optional=True,
                    tooltip="fast: a closed form, ignores the settings above but seed. exact: by gradients, "
                    "slower; values too, as in the paper.",
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
            trains=KEYS_AND_VALUES if method == EXACT_VALUES else KEYS,
            stop_at=STOP_AT,
        )
        settings = _by_kind(concepts, preset, own)
        method = FAST if method == FAST and preset not in VARIANTS else EXACT  # the authors have no other
        results = trained(refined, HostTextEncoder(clip), items, settings, method, prompt_of(cls))
        report = [told(lora, method) for lora, _ in results]
        progress = Progress("Train LoRA", 1)
        progress.say("; ".join(report))
        losses = [value for _, loss in results for value in loss]
        curves = to_image(loss_sheet([(lora.concept.target, loss) for lora, loss in results]))
        shown = shown_images(curves, cls, progress.warn) | ui.PreviewText("\n".join(report)).as_dict()
        return io.NodeOutput(tuple(lora for lora, _ in results), {"loss": losses}, ui=shown)


def told(lora: ConceptLoRA, method: str) -> str:
    """What training did, on noise that it did not use: 'ship: 2 % of the attention left; logits ...'."""
    effect = lora.provenance.effect
    steps = f" after {effect.steps} steps" if method == EXACT else ""
    return (
        f"{lora.concept.target}: {100 * effect.left:.2g} % of the attention left{steps}; logits "
        f"{effect.inside:+.1f} inside the masks, {effect.outside:+.1f} outside, "
        f"{effect.other:.1f} up or down for other words"
    )


def _by_kind(concepts, preset, own) -> list[TrainSettings]:
    """One TrainSettings per concept."""
    if preset in (OWN, OWN_END_OF_TEXT):
        return own_train_settings(concepts, own)
    kinds = [concept.kind for concept in concepts]
    return [
        train_settings(concept, kinds.count(concept.kind), preset, own.rank, own.seed) for concept in concepts
    ]
