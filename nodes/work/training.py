"""Stage 2 for a list of concepts: groups of them in one batch, or each by itself in closed form."""

from ...mace_core.concepts.drawing import drawing_prompt
from ...mace_core.encoder.text_encoder import RememberingEncoder
from ...mace_core.training.alone import on_plain_text, refined_text
from ...mace_core.training.batches import in_groups
from ...mace_core.training.closed_form import SAMPLES, fast_concept_lora
from ...mace_core.training.exact import TrainingJob, train_concept_loras
from ...mace_core.training.training_set import TrainingImages
from ..host.memory import concepts_at_once, may_be_tried_with_less, told_in_a_sentence
from ..host.network import attention_model
from .training_set import images_of

EXACT, FAST = METHODS = "exact", "fast"


def steps_of(method, settings) -> int:
    """How many steps a concept takes, for the progress."""
    return settings.steps if method == EXACT else SAMPLES


def checked_items(concepts, training_set) -> list[tuple]:
    """(concept, its images), all of which have masks."""
    items = [(concept, images_of(training_set, concept.target)) for concept in concepts]
    for concept, images in items:
        if images.masks is None:
            raise ValueError(
                f"The pictures of '{concept.target}' have no masks: put Mask Concepts in between."
            )
    return items


def train_all(model, encoder, items, settings, method, progress, finished=lambda start, results: None):
    """Yield each (ConceptLoRA, losses) in order; `model` is not refined.

    As soon as a group is trained, `finished` gets the place of its first item and the group's results.
    """
    total = len(items)

    def train(start, group):
        first = group[0][0].target
        names = first if len(group) == 1 else f"{first} to {group[-1][0].target}"
        place = f"{start + 1}" if len(group) == 1 else f"{start + 1}-{start + len(group)}"
        label = names if total == 1 else f"{names} ({place} of {total})"
        progress.say(label)

        def on_step(step, steps, *_):
            progress.step(label, len(group), f"step {step} of {steps}")

        results = _group(model, encoder, group, settings, method, on_step)
        finished(start, results)
        return results

    largest = max((images.latents for _, images in items), key=lambda latents: latents[0].numel())
    most = concepts_at_once(model, largest) if method == EXACT else 1
    return in_groups(items, most, _shape, train, may_be_tried_with_less)


def _group(model, encoder, group, settings, method, on_step):
    """A group's results. A single concept for which memory runs out is trained again with less."""
    if method == FAST:
        with told_in_a_sentence(f"to train '{group[0][0].target}'"):
            return _fast(model, encoder, group, settings, on_step)
    try:
        return _exact(model, encoder, group, settings, on_step)
    except Exception as error:
        if len(group) > 1 or not may_be_tried_with_less(error):
            raise
    with told_in_a_sentence(f"to train '{group[0][0].target}'"):
        return _exact(model, encoder, group, settings, on_step, low_memory=True)


def _shape(item) -> tuple:
    _, images = item
    return tuple(images.latents.shape[1:]), tuple(images.masks.shape[1:])


def _exact(model, encoder, group, settings, on_step, low_memory=None):
    texts, conditioning = _encoded(encoder, group)
    with attention_model(model, conditioning, group[0][1].latents, low_memory=low_memory) as unet:
        jobs = [
            TrainingJob(concept, text.prompts, TrainingImages(unet.scaled(images.latents), images.masks))
            for (concept, images), text in zip(group, texts, strict=True)
        ]
        results = train_concept_loras(unet, jobs, settings, on_step)
    return [(on_plain_text(lora, text), losses) for (lora, losses), text in zip(results, texts, strict=True)]


def _fast(model, encoder, group, settings, on_step):
    [(concept, images)] = group
    [text], conditioning = _encoded(encoder, group)
    with attention_model(model, conditioning, images.latents, training=False) as unet:
        training = TrainingImages(unet.scaled(images.latents), images.masks)
        lora, losses = fast_concept_lora(unet, text.prompts, training, concept, settings, on_step)
    return [(on_plain_text(lora, text), losses)]


def _encoded(encoder, group):
    """Before the network needs the memory: each concept's text as it reads when only that concept is refined,
    and an entry of CONDITIONING for each."""
    remembering = RememberingEncoder(encoder)
    texts = [refined_text(remembering, concept) for concept, _ in group]
    return texts, [encoder.conditioning(drawing_prompt(concept).target)[0] for concept, _ in group]
