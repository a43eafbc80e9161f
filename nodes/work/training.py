"""Stage 2 for a list of concepts: several in one batch by gradients, or one after the other in closed
form."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...mace_core.concepts.concepts import Concept
from ...mace_core.concepts.prompts import plain_prompt
from ...mace_core.encoder.text_encoder import RememberingEncoder, TextEncoder
from ...mace_core.files.shown import one_line, shown
from ...mace_core.training.alone import RefinedText, on_plain_text, refined_text
from ...mace_core.training.batches import in_groups
from ...mace_core.training.closed_form import DEFAULT, fast_concept_lora
from ...mace_core.training.exact import TrainingJob, train_concept_loras
from ...mace_core.training.lora import ConceptLoRA
from ...mace_core.training.settings import TrainSettings
from ...mace_core.training.training_set import TrainingImages
from ..host.attention import attention_model
from ..host.memory import concepts_at_once, may_be_tried_with_less, told_in_a_sentence
from ..host.progress import TimedProgress
from .training_set import ConceptImages, TrainingSet, images_of

EXACT, FAST = "exact", "fast"

Result = tuple[ConceptLoRA, list[float]]  # a LoRA, and the losses of its training
TextOf = Callable[[TextEncoder, Concept], RefinedText]


@dataclass(frozen=True)
class Item:
    """A concept to train, and its images. place: from 1, in the list that is trained."""

    concept: Concept
    images: ConceptImages
    place: int = 1


def steps_of(method: str, settings: TrainSettings) -> int:
    """The number of steps that progress counts for one concept."""
    return settings.steps if method == EXACT else DEFAULT.samples


def checked_items(concepts: Sequence[Concept], training_set: TrainingSet) -> list[Item]:
    """The concepts with their images. Raises ValueError if there are no images or no masks for one of
    them."""
    items = [Item(concept, images_of(training_set, concept.target)) for concept in concepts]
    for item in items:
        if item.images.masks is None:
            raise ValueError(
                f"The images of {shown(item.concept.target)} have no masks: "
                "connect them through Mask Concepts."
            )
    return items


def train_all(
    model,
    encoder,
    items: Sequence[Item],
    settings: TrainSettings,
    method: str,
    progress: TimedProgress,
    text_of: TextOf = refined_text,
) -> Iterator[tuple[Sequence[Item], Sequence[Result]]]:
    """Train the items in groups; yield each group with its results as soon as it is finished.

    model: not refined; text_of: the text that a concept is trained on.
    """
    total = len(items)

    def train(group: Sequence[Item]) -> Sequence[Result]:
        label = label_of(group, total)
        progress.say(label)

        left = steps_of(method, settings)

        def on_step(step, steps, *_) -> None:
            nonlocal left
            left = steps - step
            progress.step(label, len(group), f"step {step} of {steps}")

        results = train_group(model, encoder, group, settings, method, text_of, on_step)
        progress.skip(left * len(group))  # of a training that reached its target
        return results

    return in_groups(items, _most(model, items, method), _shape, train, may_be_tried_with_less)


def groups_of(model, items: Sequence[Item], method: str) -> list[Sequence[Item]]:
    """The groups that `train_all` forms here while memory suffices."""
    groups = in_groups(items, _most(model, items, method), _shape, lambda group: group, lambda _: False)
    return [group for group, _ in groups]


def _most(model, items: Sequence[Item], method: str) -> int:
    largest = max((item.images.latents for item in items), key=lambda latents: latents[0].numel())
    return concepts_at_once(model, largest) if method == EXACT else 1


def label_of(group: Sequence[Item], total: int) -> str:
    """'ship', 'ship (2 of 5)' or 'ship to cat (2-4 of 5)'."""
    first, last = group[0], group[-1]
    if total == 1:
        return one_line(first.concept.target)
    if len(group) == 1:
        return f"{one_line(first.concept.target)} ({first.place} of {total})"
    names = f"{one_line(first.concept.target)} to {one_line(last.concept.target)}"
    return f"{names} ({first.place}-{last.place} of {total})"


def train_group(
    model,
    encoder,
    group: Sequence[Item],
    settings: TrainSettings,
    method: str,
    text_of: TextOf = refined_text,
    on_step: Callable = lambda *_: None,
) -> list[Result]:
    """The results of a group. A single concept that runs out of memory is trained again with less.

    method `fast`: of a group of one.
    """
    if method == FAST:
        with told_in_a_sentence(f"to train {shown(group[0].concept.target)}"):
            return _fast(model, encoder, group, settings, text_of, on_step)
    try:
        return _exact(model, encoder, group, settings, text_of, on_step)
    except Exception as error:
        if len(group) > 1 or not may_be_tried_with_less(error):
            raise
    with told_in_a_sentence(f"to train {shown(group[0].concept.target)}"):
        return _exact(model, encoder, group, settings, text_of, on_step, low_memory=True)


def _shape(item: Item) -> tuple:
    return tuple(item.images.latents.shape[1:]), tuple(item.images.masks.shape[1:])


def _exact(model, encoder, group, settings, text_of, on_step, low_memory=None) -> list[Result]:
    texts, conditioning = _encoded(encoder, group, text_of)
    with attention_model(model, conditioning, group[0].images.latents, low_memory=low_memory) as unet:
        jobs = [
            TrainingJob(item.concept, text.prompts, _training_images(unet, item.images))
            for item, text in zip(group, texts, strict=True)
        ]
        results = train_concept_loras(unet, jobs, settings, on_step)
    return [(on_plain_text(lora, text), losses) for (lora, losses), text in zip(results, texts, strict=True)]


def _fast(model, encoder, group, settings, text_of, on_step) -> list[Result]:
    [item] = group
    [text], conditioning = _encoded(encoder, group, text_of)
    with attention_model(model, conditioning, item.images.latents, training=False) as unet:
        images = _training_images(unet, item.images)
        lora, losses = fast_concept_lora(unet, text.prompts, images, item.concept, settings, on_step)
    return [(on_plain_text(lora, text), losses)]


def _training_images(unet, images: ConceptImages) -> TrainingImages:
    return TrainingImages(unet.scaled(images.latents), images.masks)


def _encoded(encoder, group, text_of) -> tuple[list[RefinedText], list]:
    """Each concept's text and CONDITIONING, computed before the U-Net needs the memory."""
    remembering = RememberingEncoder(encoder)
    texts = [text_of(remembering, item.concept) for item in group]
    return texts, [encoder.conditioning(plain_prompt(item.concept).target)[0] for item in group]
