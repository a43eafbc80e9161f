"""The job that each fault disturbs: three concepts of the miniature through all stages, as an API prompt."""

from __future__ import annotations

from itertools import count

from mini.checkpoint import CHECKPOINT

NAME = "faults"  # of the saved erasure
METHODS = ("fast", "exact")
CONCEPTS = "ship -> sea\nperson: Mira Vance -> a person\nstyle: sepia -> colour"
IMAGES, STEPS = 2, 4  # training images per concept, sampling steps
SAMPLING = {"seed": 1, "steps": STEPS, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
MODEL, CLIP, VAE = ["again", 0], ["again_clip", 0], ["loader", 2]
Prompt = dict[str, dict]
_numbers = count(1)


def node(class_type: str, /, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def original() -> Prompt:
    """An image of the original MODEL, of which `plain` shows the hash. A server runs each prompt anew."""
    number = next(_numbers)
    return {
        "loader": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "again": node("FaultsAgain", value=["loader", 0], number=number),
        "again_clip": node("FaultsAgain", value=["loader", 1], number=number),
        "positive": node("CLIPTextEncode", clip=CLIP, text="a photo of a ship"),
        "negative": node("CLIPTextEncode", clip=CLIP, text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        **_image("plain", MODEL),
    }


def whole(method: str = METHODS[0]) -> Prompt:
    """All stages; `save` shows the name of the saved erasure, `erased` the hash of an image of the erased
    model."""
    return original() | _stages(method) | _image("erased", ["apply", 0])


def scored() -> Prompt:
    """All stages without saving; `score` shows the scores."""
    given = {"clip": CLIP, "vae": VAE, "concepts": ["concepts", 0], "latent": ["latent", 0]}
    judging = {"keep": "cat", "synonyms": "ship: boat", "judge": "bundled (for the miniature model)"}
    drawing = {"images": 1, "seed": 0, "steps": 2, "cfg": 4.0}
    score = node("MACE_ScoreErasure", before=MODEL, after=["apply", 0], **given, **judging, **drawing)
    return without(whole(), "save") | {"score": score}


def without(prompt: Prompt, *names: str) -> Prompt:
    return {name: each for name, each in prompt.items() if name not in names}


def saved_often(times: int) -> Prompt:
    """All stages, and the erasure saved under one name so many times."""
    prompt = without(whole(), "save")
    for number in range(times):
        prompt[f"again_{number}"] = node("FaultsAgain", value=["fuse", 0], number=number)
        prompt[f"save_{number}"] = node("MACE_SaveErasure", erasure=[f"again_{number}", 0], name=NAME)
    return prompt


def larger(prompt: Prompt) -> Prompt:
    """The prompt with larger training images."""
    inputs = prompt["draw"]["inputs"] | {"width": 256, "height": 256}
    return prompt | {"draw": node("MACE_DrawConcepts", **inputs)}


def with_nan(prompt: Prompt, layer: str) -> Prompt:
    """The prompt with NaN on a layer of its MODEL."""
    broken = node("FaultsNotANumber", model=["loader", 0], layer=layer)
    again = node("FaultsAgain", value=["broken", 0], number=next(_numbers))
    return prompt | {"broken": broken, "again": again}


def loading(name: str) -> Prompt:
    """An image, `erased`, with an erasure from models/mace."""
    prompt = stages_only(original()) | {"load": node("MACE_LoadErasure", name=name)}
    return prompt | _applied("load") | _image("erased", ["apply", 0])


def stages_only(prompt: Prompt) -> Prompt:
    """The prompt without the images that ComfyUI's own nodes generate."""
    return without(prompt, "plain", "sample_plain", "erased", "sample_erased")


def _image(name: str, model: list) -> Prompt:
    given = {"positive": ["positive", 0], "negative": ["negative", 0], "latent_image": ["latent", 0]}
    return {
        f"sample_{name}": node("KSampler", model=model, denoise=1.0, **given, **SAMPLING),
        name: node("FaultsHash", samples=[f"sample_{name}", 0]),
    }


def _applied(source: str) -> Prompt:
    """The node `apply`, with the erasure from the node `source`."""
    given = {"model": MODEL, "erasure": [source, 0], "clip": CLIP, "strength": 1.0}
    return {"apply": node("MACE_ApplyErasedModel", **given)}


def _stages(method: str) -> Prompt:
    drawing = {"images": IMAGES, "steps": STEPS, "cfg": 4.0, "seed": 0, "width": 64, "height": 64}
    training = {"steps": 5, "learning_rate": 1e-3, "seed": 0, "rank": 1, "focal_sampling": True}
    given = {"clip": CLIP, "concepts": ["concepts", 0]}
    solving = {"preserve_weight": 1e-4, "ridge": 10.0}
    return {
        "concepts": node("MACE_EraseConcepts", concepts=CONCEPTS, kind="object"),
        "prior": node("MACE_PreservePrior", clip=CLIP, captions="a photo of a cat", weight=1.0),
        "refine": node("MACE_CrossAttnRefine", model=MODEL, prior=["prior", 0], **given, **solving),
        "draw": node("MACE_DrawConcepts", model=MODEL, vae=VAE, **given, **drawing),
        "mask": node("MACE_MaskConcepts", training_set=["draw", 0], method="attention", threshold=0.0),
        "train": node(
            "MACE_TrainConceptLoRA",
            refined=["refine", 0],
            training_set=["mask", 0],
            method=method,
            **given,
            **training,
        ),
        "fuse": node(
            "MACE_FuseLoRAs",
            clip=CLIP,
            refined=["refine", 1],
            concept_loras=["train", 0],
            prior=["prior", 0],
            **solving,
        ),
        "save": node("MACE_SaveErasure", erasure=["fuse", 0], name=NAME),
        **_applied("fuse"),
    }
