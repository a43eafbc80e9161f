"""All stages, the evidence nodes and an export on a dynamic VRAM MODEL match those of a static one."""

import pytest
import torch

from tests.dynamic.conftest import DYNAMIC, STATIC, load
from tests.rounding import apart, loras_apart

JUDGE = "bundled (for the miniature model)"
DRAWING = {"steps": 2, "cfg": 4.0, "seed": 0}


@pytest.fixture(scope="module")
def loaded(comfy, dynamic):
    return load(comfy, dynamic)


@pytest.fixture(autouse=True)
def nothing_is_kept(comfy, monkeypatch):
    """Disables the caches, so that both MODELs generate and train."""
    for name in ("drawing", "training_store"):
        monkeypatch.setattr(comfy.module(f"nodes.work.{name}"), "model_fingerprint", lambda model: None)


def stages(comfy, loaded, name, method):
    model, network = loaded.models[name], {"model": loaded.models[name], "clip": loaded.clip}
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea\ncat -> a dog", kind="object")
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", **network, concepts=concepts)
    drawn, pictures = comfy.call(
        "MACE_DrawConcepts",
        **network,
        vae=loaded.vae,
        concepts=concepts,
        images=2,
        width=64,
        height=64,
        **DRAWING,
    )
    masked, masks = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    loras, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=loaded.clip,
        concepts=concepts,
        training_set=masked,
        steps=3,
        learning_rate=1e-2,
        seed=0,
        method=method,
    )
    (fused,) = comfy.call("MACE_FuseLoRAs", clip=loaded.clip, refined=stage_1, concept_loras=loras)
    (erased,) = comfy.call(
        "MACE_ApplyErasedModel", model=model, erasure=fused, strength=1.0, clip=loaded.clip, mode="linear"
    )
    return concepts, erased, fused, loras, (pictures, masks, torch.tensor(loss["loss"]))


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_stages_give_what_a_static_model_gives(comfy, loaded, method):
    _, _, fused, loras, seen = stages(comfy, loaded, DYNAMIC, method)
    _, _, expected, theirs, their_seen = stages(comfy, loaded, STATIC, method)
    for ours, wanted in zip(seen, their_seen, strict=True):
        assert torch.isfinite(ours).all() and apart(ours, wanted) < 1e-5
    for ours, wanted in zip(loras, theirs, strict=True):
        assert loras_apart(ours, wanted) < 1e-4
    assert torch.equal(fused.T, expected.T) and loras_apart(fused, expected) < 1e-4


def test_score_attention_probe_and_export(comfy, loaded):
    """Both MODELs in turn, so that the host has sampled with each before computing gradients."""
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    results = {}
    for name in (STATIC, DYNAMIC):
        concepts, erased, fused, *_ = stages(comfy, loaded, name, "fast")
        both = {
            "before": loaded.models[name],
            "after": erased,
            "clip": loaded.clip,
            "vae": loaded.vae,
            "latent": latent,
        }
        _, _, grid, _ = comfy.call(
            "MACE_ScoreErasure",
            **both,
            concepts=concepts,
            keep="dog",
            synonyms="",
            judge=JUDGE,
            images=1,
            never_named="lion",
            **DRAWING,
        )
        maps, _ = comfy.call("MACE_ViewAttention", **both, prompt="a photo of a ship", **DRAWING)
        _, _, probed = comfy.call(
            "MACE_ProbeErasure",
            **both,
            concepts=concepts,
            prompts="",
            judge=JUDGE,
            images=1,
            learning_steps=2,
            **DRAWING,
        )
        (report,) = comfy.call(
            "MACE_ExportErasure",
            model=loaded.models[name],
            erasure=fused,
            format="LoRA",
            rank=4,
            name=name,
            precision="float32",
        )
        results[name] = grid, maps, report.replace(name, "")
        assert probed.isfinite().all()
    (grid, maps, report), (their_grid, their_maps, their_report) = results[DYNAMIC], results[STATIC]
    assert (grid - their_grid).abs().mean() < 1e-3 and (maps - their_maps).abs().mean() < 1e-3
    assert report.split("_00001")[0] == their_report.split("_00001")[0]
