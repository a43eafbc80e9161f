"""What one concept costs a card, counted on the miniature with the nodes' default settings."""

from __future__ import annotations

import dataclasses
import time

CONCEPTS = "ship -> sea\ncat -> a dog"
SIZE = {"width": 64, "height": 64, "cfg": 4.0}
STEPS = 30  # the default of Draw Concepts
SIDES = (512, 768, 1024)


def run(host) -> dict:
    """Passes of the U-Net for one image, and prompts through the text encoder, each per concept; CPU seconds
    for masks, by the side of the images."""
    import comfy.model_base
    import torch

    rows, prompts = [], []
    encoder = host.module("nodes.host.text_encoder").HostTextEncoder
    apply, encode = comfy.model_base.BaseModel.apply_model, encoder.encode

    def applied(self, x, *rest, **named):
        rows.append(len(x))
        return apply(self, x, *rest, **named)

    def encoded(self, texts):
        prompts.append(len(texts))
        return encode(self, texts)

    comfy.model_base.BaseModel.apply_model, encoder.encode = applied, encoded
    try:
        with torch.inference_mode():
            return _counted(host, rows, prompts)
    finally:
        comfy.model_base.BaseModel.apply_model, encoder.encode = apply, encode


def _counted(host, rows: list[int], prompts: list[int]) -> dict:
    model, clip, vae = host.call("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors")
    (concepts,) = host.run("MACE_EraseConcepts", concepts=CONCEPTS)
    network = {"clip": clip, "concepts": concepts}
    host.run("MACE_CrossAttnRefine", model=model, **network)  # makes the reference, which all concepts share
    prompts.clear()
    refined, _ = host.run("MACE_CrossAttnRefine", model=model, **network)
    counted = {"prompts": round(sum(prompts) / len(concepts))}
    drawn, _ = host.run("MACE_DrawConcepts", model=model, vae=vae, **network, **SIZE)
    counted |= {"images": len(drawn[0].latents), "steps": STEPS, "draw": _taken(rows, concepts)}
    masked, _ = host.run("MACE_MaskConcepts", training_set=drawn)
    for method in ("fast", "exact"):
        host.run("MACE_TrainConceptLoRA", refined=refined, training_set=masked, method=method, **network)
        counted[method] = _taken(rows, concepts)
    counted["mask_seconds"] = {str(side): _masks(host, drawn[0], side) for side in SIDES}
    return counted


def _masks(host, images, side: int) -> float:
    """CPU seconds to mask the images of one concept and to save their previews, for images of this side."""
    import torch

    larger = dataclasses.replace(
        images,
        latents=torch.zeros(len(images.latents), 4, side // 8, side // 8),
        heat=torch.rand(len(images.latents), side // 8, side // 8),
        pictures=torch.randint(256, (len(images.latents), side, side, 3), dtype=torch.uint8),
    )
    started = time.process_time()
    host.run("MACE_MaskConcepts", training_set=(larger,))
    return round(time.process_time() - started, 3)


def _taken(rows: list[int], concepts: tuple) -> int:
    per_concept = round(sum(rows) / len(concepts))
    rows.clear()
    return per_concept
