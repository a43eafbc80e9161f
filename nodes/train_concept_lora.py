"""Stage 2: one LoRA per concept."""

from comfy_api.latest import io, ui

from ..mace_core.drawing import drawing_prompt
from ..mace_core.train import TrainSettings, train_concept_lora
from ..mace_core.training_set import TrainingImages, training_prompts
from ._checks import at_least
from ._host import Progress, labelled
from ._host_attention import attention_model
from ._host_patch import cross_attention_layers, require_refined
from ._host_text import HostTextEncoder
from ._sockets import CATEGORY, ConceptLoRAs, Concepts, LossMap, TrainingSet, expert
from ._training_set import images_of


class TrainConceptLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_TrainConceptLoRA",
            display_name="Train Concept LoRA",
            category=CATEGORY,
            description="Stage 2 of MACE: for each concept a tiny LoRA "
                        "that turns the network's attention away from it.",
            inputs=[
                io.Model.Input("refined",
                               tooltip="The MODEL output of Cross-Attention Refinement. It is not changed."),
                io.Clip.Input("clip", tooltip="The text encoder of the same checkpoint."),
                Concepts.Input("concepts", tooltip="From Erase Concepts."),
                TrainingSet.Input("training_set", tooltip="Pictures with masks, from Mask Concepts."),
                io.Int.Input("steps", default=50, min=1, max=10000,
                             tooltip="Training steps per concept. The paper uses 50."),
                io.Float.Input("learning_rate", default=1e-4, min=1e-7, max=1.0, step=1e-5, round=False,
                               tooltip="The paper uses 0.00001 for one object, "
                                       "0.0001 for people and styles."),
                io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=False,
                             tooltip="The same seed trains the same LoRA."),
                expert(io.Int, "rank", default=1, min=1, max=64,
                       tooltip="The rank of each LoRA. The paper uses 1."),
                expert(io.Boolean, "focal_sampling", default=True,
                       tooltip="Concept-focal importance sampling: train mostly where the concept takes "
                               "shape. Off: all timesteps alike, as the paper does for explicit content."),
            ],
            outputs=[
                ConceptLoRAs.Output(display_name="concept_loras",
                                    tooltip="One LoRA per concept, for Fuse LoRAs."),
                LossMap.Output(display_name="loss", tooltip="For the host's Plot Loss Graph node."),
            ],
        )

    @classmethod
    def validate_inputs(cls, rank):
        return at_least(rank, 1, "The rank of the LoRAs")

    @classmethod
    def execute(cls, refined, clip, concepts, training_set, steps, learning_rate, seed,
                rank=1, focal_sampling=True):
        cross_attention_layers(refined)
        require_refined(refined, concepts)
        sets = [images_of(training_set, concept.target) for concept in concepts]
        encoder = HostTextEncoder(clip)
        settings = TrainSettings(steps, learning_rate, rank, cfis=focal_sampling, seed=seed)
        progress = Progress("Train LoRA", len(concepts) * steps)
        loras, losses, report = [], [], []
        for (concept, label), images in zip(labelled(concepts), sets, strict=True):
            progress.say(label)
            lora, loss = _train(refined, encoder, concept, images, settings,
                                lambda step, steps, loss, label=label: progress.step(label))
            loras.append(lora)
            losses += loss
            report.append(f"{concept.target}: attention loss {loss[0]:.4g} -> {loss[-1]:.4g}")
        progress.say("; ".join(report))
        return io.NodeOutput(tuple(loras), {"loss": losses}, ui=ui.PreviewText("\n".join(report)))


def _train(model, encoder, concept, images, settings, on_step):
    if images.masks is None:
        raise ValueError(f"The pictures of '{concept.target}' have no masks: put Mask Concepts in between.")
    prompts = training_prompts(encoder, concept)
    conditioning = encoder.conditioning(drawing_prompt(concept).target)
    with attention_model(model, conditioning, images.latents) as unet:
        training = TrainingImages(unet.scaled(images.latents), images.masks)
        return train_concept_lora(unet, prompts, training, concept, settings, on_step)
