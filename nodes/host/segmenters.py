"""Masks from words: the detector (GroundingDINO) finds boxes, the segmenter (SAM) cuts masks out of them.

transformers loads both from local folders. Nothing is ever downloaded.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...mace_core.files.plain_json import read_object
from ...mace_core.files.shown import shown
from ...mace_core.training.masks import boxes_of_words, union_of_masks
from .checks import NAN_ANSWER, require_finite
from .folders import FOLDER, SEGMENTERS, segmenters_folders

AUTO = "auto"
BOXES_AT_ONCE = 16


@dataclass(frozen=True)
class Family:
    """A kind of model. called: its name for users; model_type: as in config.json; auto_class: the class of
    transformers that loads it; repositories: on huggingface.co."""

    called: str
    model_type: str
    auto_class: str
    repositories: tuple[str, ...]


DETECTOR = Family(
    "GroundingDINO",
    "grounding-dino",
    "AutoModelForZeroShotObjectDetection",
    ("IDEA-Research/grounding-dino-tiny", "IDEA-Research/grounding-dino-base"),
)
SEGMENTER = Family(
    "SAM", "sam", "SamModel", ("facebook/sam-vit-base", "facebook/sam-vit-large", "facebook/sam-vit-huge")
)


def installed(family: Family) -> dict[str, Path]:
    """The local models of a family, name -> folder: models/mace/segmenters, then the Hugging Face cache."""
    found = {}
    for top in map(Path, segmenters_folders()):
        for config in sorted([*top.glob("*/config.json"), *top.glob("*/*/config.json")]):
            if _model_type(config) == family.model_type:
                found.setdefault(config.parent.relative_to(top).as_posix(), config.parent)
    from huggingface_hub import try_to_load_from_cache

    for repository in family.repositories:
        config = try_to_load_from_cache(repository, "config.json")
        if isinstance(config, str):
            found.setdefault(repository, Path(config).parent)
    return found


def choices(family: Family) -> list[str]:
    return [AUTO, *installed(family)]


def chosen(detector: str = AUTO, segmenter: str = AUTO) -> tuple[Path, Path]:
    """The folders of the detector and the segmenter with these names; `auto` is the first in each list.

    Raises ValueError if there is no such model; the message says what to install and where.
    """
    asked = ((DETECTOR, detector), (SEGMENTER, segmenter))
    found = [(family, name, installed(family)) for family, name in asked]
    missing = [family.called for family, _, folders in found if not folders]
    if missing:
        raise ValueError(
            f"The method 'grounded-sam' found no {' and no '.join(missing)} on this machine: put the folders "
            f"of the models {DETECTOR.repositories[0]} and {SEGMENTER.repositories[0]} from huggingface.co "
            f"in models/{FOLDER}/{SEGMENTERS} (nothing is downloaded automatically), or choose 'attention'."
        )
    for family, name, folders in found:
        if name not in (AUTO, *folders):
            raise ValueError(
                f"There is no {family.called} named {shown(name)} in models/{FOLDER}/{SEGMENTERS} or in "
                f"the Hugging Face cache: choose one of {', '.join((AUTO, *folders))}."
            )
    paths = [folders[next(iter(folders)) if name == AUTO else name] for _, name, folders in found]
    return paths[0], paths[1]


def find_boxes(
    folder: Path,
    pictures: Sequence[tuple[Tensor, str]],
    box_threshold: float,
    text_threshold: float,
    on_picture: Callable[[int], None],
) -> list[Tensor]:
    """Boxes `[k, 4]` in pixels that show the phrase, one tensor per (image `[H, W, 3]` uint8, phrase).

    on_picture: called with the index of each image before the detector runs on it. Raises ValueError if the
    detector returns NaN.
    """
    boxes = []
    with _loaded(DETECTOR, folder) as (processor, model, device):
        for number, (picture, phrase) in enumerate(pictures):
            on_picture(number)
            inputs = processor(images=picture.numpy(), text=f"{phrase}.", return_tensors="pt").to(device)
            answer = model(**inputs)
            require_finite(answer.pred_boxes, NAN_ANSWER.format(f"{DETECTOR.called} in {shown(folder)}"))
            boxes.append(
                boxes_of_words(
                    answer.logits[0],
                    answer.pred_boxes[0],
                    _words(processor, phrase),
                    picture.shape[:2],
                    box_threshold,
                    text_threshold,
                ).cpu()
            )
    return boxes


def cut_masks(
    folder: Path,
    pictures: Sequence[Tensor],
    boxes: Sequence[Tensor],
    mask_threshold: float,
    on_picture: Callable[[int], None],
) -> list[Tensor]:
    """One mask `[H, W]`, 0 or 1, per image `[H, W, 3]` uint8: the union over the boxes of the image.

    on_picture: called with the index of each image before the segmenter runs on it. Raises ValueError if the
    segmenter returns NaN.
    """
    masks = []
    with _loaded(SEGMENTER, folder) as (processor, model, device):
        for number, (picture, its_boxes) in enumerate(zip(pictures, boxes, strict=True)):
            on_picture(number)
            mask = torch.zeros(picture.shape[:2])
            if len(its_boxes):
                for logits in _cut(processor, model, device, picture, its_boxes):
                    require_finite(logits, NAN_ANSWER.format(f"{SEGMENTER.called} in {shown(folder)}"))
                    mask = torch.maximum(mask, union_of_masks(logits, mask_threshold).cpu())
            masks.append(mask)
    return masks


def _cut(processor, model, device, picture: Tensor, boxes: Tensor) -> Iterator[Tensor]:
    """Yield mask logits `[k, H, W]` for `BOXES_AT_ONCE` boxes at a time. The image is encoded only once."""
    inputs = processor(images=picture.numpy(), input_boxes=[boxes.tolist()], return_tensors="pt")
    scaled = inputs["input_boxes"].float()  # the processor returns float64, which some devices lack
    seen = model.get_image_embeddings(inputs["pixel_values"].to(device))
    for part in scaled.split(BOXES_AT_ONCE, 1):
        answer = model(image_embeddings=seen, input_boxes=part.to(device), multimask_output=False)
        masks = processor.image_processor.post_process_masks(
            answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
        )
        yield masks[0][:, 0]


def _words(processor, phrase: str) -> list[list[int]]:
    """The token positions of each word of the phrase; position 0 is the start token."""
    words = processor.tokenizer(phrase, add_special_tokens=False).word_ids()
    return [[1 + at for at, word in enumerate(words) if word == each] for each in sorted(set(words))]


@contextmanager
def _loaded(family: Family, folder: Path) -> Iterator[tuple[Any, torch.nn.Module, torch.device]]:
    """(processor, model, device), with the model on the host's device. Frees its memory afterwards."""
    processor, model = _read(family, folder)
    device = comfy.model_management.get_torch_device()
    needed = comfy.model_management.module_size(model) + comfy.model_management.minimum_inference_memory()
    comfy.model_management.free_memory(needed, device)
    try:
        yield processor, model.to(device), device
    finally:
        model.to("meta")
        comfy.model_management.soft_empty_cache()


def _read(family: Family, folder: Path) -> tuple[Any, torch.nn.Module]:
    import transformers

    # otherwise loading can compile or download kernels
    settings = {"disable_custom_kernels": True} if family is DETECTOR else {}
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = getattr(transformers, family.auto_class).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, **settings
        )
    except Exception as error:  # several libraries read the folder, each with its own errors
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise ValueError(
            f"The {family.called} in {shown(folder)} cannot be read ({reason}): put all files of "
            f"{family.repositories[0]} there, including model.safetensors."
        ) from error
    return processor, model.float().train(False)  # half precision fails in some transformers versions


def _model_type(config: Path) -> str:
    try:
        return str(read_object(config).get("model_type", ""))
    except ValueError:
        return ""
