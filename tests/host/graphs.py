"""Small API prompts for the bundled miniature. Node ids are names; two or three steps are enough."""

from __future__ import annotations

import safetensors.torch

CHECKPOINT = "mace_mini_sd.safetensors"
MODEL, CLIP, VAE = (["loader", slot] for slot in range(3))
Prompt = dict[str, dict]


def node(class_type: str, /, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def base() -> Prompt:
    """A loader, conditionings and an empty latent."""
    return {
        "loader": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "positive": node("CLIPTextEncode", clip=CLIP, text="a photo of a ship"),
        "negative": node("CLIPTextEncode", clip=CLIP, text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    }


def draw(name: str, model: list, again: int = 0, **settings) -> Prompt:
    """KSampler and saved latents called `name`; `again` > 0 bypasses the host's cache and samples anew."""
    latent = f"latent_{name}_{again}"
    settings = {
        "seed": 1,
        "steps": 2,
        "cfg": 4.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        **settings,
    }
    prompt = {latent: node("RepeatLatentBatch", samples=["latent", 0], amount=1)} if again else {}
    for number in range(1, again):
        prompt[f"{latent}_{number}"] = node("RepeatLatentBatch", samples=[latent, 0], amount=1)
        latent = f"{latent}_{number}"
    return prompt | {
        f"sample_{name}": node(
            "KSampler",
            model=model,
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=[latent if again else "latent", 0],
            **settings,
        ),
        name: node("SaveLatent", samples=[f"sample_{name}", 0], filename_prefix=name),
    }


def stage_1(concepts: str = "ship -> sea", **inputs) -> Prompt:
    return {
        "concepts": node("MACE_EraseConcepts", concepts=concepts, kind="object", synonyms=""),
        "refine": node(
            "MACE_CrossAttnRefine",
            **{
                "model": MODEL,
                "clip": CLIP,
                "concepts": ["concepts", 0],
                "preserve_weight": 1e-4,
                "ridge": 10.0,
                **inputs,
            },
        ),
    }


def training_set(**inputs) -> Prompt:
    settings = {"images": 2, "steps": 2, "cfg": 4.0, "seed": 0, "width": 64, "height": 64, **inputs}
    return {
        "drawn": node(
            "MACE_DrawConcepts", model=MODEL, clip=CLIP, vae=VAE, concepts=["concepts", 0], **settings
        ),
        "masked": node("MACE_MaskConcepts", training_set=["drawn", 0], method="attention", threshold=0.0),
    }


def stages_2_and_3(**inputs) -> Prompt:
    settings = {
        "steps": 3,
        "learning_rate": 1e-2,
        "seed": 0,
        "rank": 1,
        "focal_sampling": True,
        "method": "exact",
        **inputs,
    }
    return {
        "train": node(
            "MACE_TrainConceptLoRA",
            refined=["refine", 0],
            clip=CLIP,
            concepts=["concepts", 0],
            training_set=["masked", 0],
            **settings,
        ),
        "fuse": node(
            "MACE_FuseLoRAs",
            clip=CLIP,
            refined=["refine", 1],
            concept_loras=["train", 0],
            preserve_weight=1e-4,
            ridge=10.0,
        ),
    }


def apply(name: str, erasure: list, strength: float = 1.0, **inputs) -> Prompt:
    return {name: node("MACE_ApplyErasedModel", model=MODEL, erasure=erasure, strength=strength, **inputs)}


def score(**inputs) -> Prompt:
    """Score Erasure on the result of stage 1."""
    settings = {
        "keep": "cat",
        "synonyms": "boat",
        "judge": "bundled (for the miniature model)",
        "images": 1,
        "seed": 0,
        "steps": 2,
        "cfg": 4.0,
        "never_named": "lion",
        **inputs,
    }
    return {
        "score": node(
            "MACE_ScoreErasure",
            before=MODEL,
            after=["refine", 0],
            clip=CLIP,
            vae=VAE,
            concepts=["concepts", 0],
            latent=["latent", 0],
            **settings,
        )
    }


def probe(**inputs) -> Prompt:
    """Probe Erasure on the result of stage 1."""
    settings = {
        "prompts": "",
        "judge": "bundled (for the miniature model)",
        "images": 1,
        "learning_steps": 2,
        "seed": 0,
        "steps": 1,
        "cfg": 4.0,
        **inputs,
    }
    return {
        "probe": node(
            "MACE_ProbeErasure",
            before=MODEL,
            after=["refine", 0],
            clip=CLIP,
            vae=VAE,
            concepts=["concepts", 0],
            latent=["latent", 0],
            **settings,
        )
    }


def all_stages(**training) -> Prompt:
    return base() | stage_1() | training_set() | stages_2_and_3(**training) | apply("apply", ["fuse", 0])


def picture(client, outputs: dict, name: str) -> bytes:
    """The latents of `name` as float32 bytes, before a decoder rounds them: equal means bit-identical."""
    saved = safetensors.torch.load(client.image(outputs[name]["latents"][0]))
    return saved["latent_tensor"].numpy().tobytes()
