"""A full-size family through the nodes: all three stages, saving, applying, and every export format."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dev.fullsize.families import Family, random_clip, random_model, random_vae
from dev.fullsize.host import hosted
from dev.fullsize.measure import MIB, stage

CONCEPTS = "ship (boat) -> sea\ndog -> ground"
CAPTIONS = "\n".join(f"a photo of a {animal}" for animal in ("cat", "horse", "cow", "bird", "fish", "bear"))
DRAWING = {"images": 1, "steps": 2, "cfg": 7.5, "seed": 0}
TRAINING = {"steps": 2, "learning_rate": 2e-3, "seed": 0, "method": "exact"}
RANK = 8


def run(family: Family) -> dict:
    """Seconds and peak resident memory of each step, and the file sizes in MiB."""
    import torch

    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as base:
        comfy = hosted(Path(base))
        rows = []

        def step(name, work):
            result, took = stage(work)
            rows.append({"stage": name, **took})
            print(f"  {name}: {took['seconds']} s, peak {took['rss_peak']} MiB", flush=True)
            return result

        with torch.inference_mode():
            model = step("build MODEL", lambda: random_model(family, torch.bfloat16))
            clip = step("build CLIP", lambda: random_clip(family))
            vae = step("build VAE", random_vae)
        erased, fused = all_stages(comfy, step, family.tested, model, clip, vae)
        exports(comfy, step, model, erased, fused, clip, vae)
        files = {
            str(path.relative_to(base)): round(path.stat().st_size / MIB, 2)
            for folder in ("models/mace", "output")
            for path in sorted((Path(base) / folder).rglob("*"))
            if path.is_file()
        }
        return {
            "side": family.tested,
            "model_mib": round(model.model_size() / MIB),
            "stages": rows,
            "files": files,
        }


def all_stages(comfy, step, side: int, model, clip, vae):
    import torch

    size = {"width": side, "height": side}
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts=CONCEPTS, kind="object")
    network = {"model": model, "clip": clip, "concepts": concepts}
    (prior,) = step(
        "Preserve Prior, 6 captions",
        lambda: comfy.call("MACE_PreservePrior", clip=clip, captions=CAPTIONS, weight=1.0),
    )
    refined, stage_1 = step(
        "Cross-Attention Refinement, 2 concepts",
        lambda: comfy.call("MACE_CrossAttnRefine", **network, prior=prior),
    )
    drawn, images = step(
        "Draw Concepts, 2 concepts, 1 image, 2 steps",
        lambda: comfy.call("MACE_DrawConcepts", **network, vae=vae, **DRAWING, **size),
    )
    masked, _ = step(
        "Mask Concepts", lambda: comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    )
    training = {"refined": refined, "clip": clip, "concepts": concepts, "training_set": masked}
    loras, loss = step(
        "Train Concept LoRA, 2 concepts, 2 steps",
        lambda: comfy.call("MACE_TrainConceptLoRA", **training, **TRAINING),
    )
    (fused,) = step(
        "Fuse Concept LoRAs",
        lambda: comfy.call("MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras, prior=prior),
    )
    (erased,) = step(
        "Apply Erased Model",
        lambda: comfy.call(
            "MACE_ApplyErasedModel", model=model, erasure=fused, strength=1.0, clip=clip, mode="linear"
        ),
    )
    if not (images.isfinite().all() and torch.tensor(loss["loss"]).isfinite().all()):
        raise RuntimeError("The generated images or the losses are not finite.")
    return erased, fused


def exports(comfy, step, model, erased, fused, clip, vae):
    import torch
    from comfy_extras.nodes_model_merging import CheckpointSave

    step("Save Erasure", lambda: comfy.call("MACE_SaveErasure", erasure=fused, name="fullsize"))
    (loaded,) = step("Load Erasure", lambda: comfy.call("MACE_LoadErasure", name=_saved(comfy)))
    pairs = zip(loaded.low_rank.tensors, fused.low_rank.tensors, strict=True)
    if not all(torch.allclose(ours, theirs, atol=1e-2) for ours, theirs in pairs):
        raise RuntimeError("The loaded erasure differs from the saved one.")
    for kind in comfy.module("mace_core.erasure.export").FORMATS:
        step(
            f"Export Erasure, {kind}",
            lambda kind=kind: comfy.call(
                "MACE_ExportErasure",
                model=model,
                erasure=fused,
                format=kind,
                rank=RANK,
                name=kind.replace(" ", "_"),
                precision="float16",
            ),
        )
    with torch.inference_mode():
        step(
            "Save Checkpoint (the host's), merged", lambda: CheckpointSave().save(erased, clip, vae, "merged")
        )


def _saved(comfy) -> str:
    return next(name for name in os.listdir(comfy.base / "models" / "mace") if name.startswith("fullsize"))
