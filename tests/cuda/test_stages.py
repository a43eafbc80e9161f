"""All stages, Save, Load, Apply and every export, run through the nodes on a GPU and timed."""

import pytest

from dev.fullsize.stages import all_stages, exports
from dev.host.card import FAMILIES
from tests.cuda.models import network

DRAWING = {"steps": 2, "cfg": 4.0, "seed": 0}


@pytest.mark.parametrize("name", FAMILIES)
def test_from_checkpoint_to_export(comfy, step, name):
    loaded = step("build MODEL, CLIP, VAE", lambda: network(comfy, name))
    erased, fused = all_stages(comfy, step, loaded.side, loaded.model, loaded.clip, loaded.vae)
    layers = comfy.module("nodes.host.patch").cross_attention_layers(loaded.model)
    assert set(fused.low_rank) == {name for name in layers if name.endswith(".to_k")}  # by default: keys only
    evidence(comfy, step, loaded, erased)
    exports(comfy, step, loaded.model, erased, fused, loaded.clip, loaded.vae)


def evidence(comfy, step, loaded, erased):
    """Attention maps of the original and the erased MODEL."""
    (latent,) = comfy.call("EmptyLatentImage", width=loaded.side, height=loaded.side, batch_size=1)
    maps, _ = step(
        "View Attention, before and after",
        lambda: comfy.call(
            "MACE_ViewAttention",
            before=loaded.model,
            after=erased,
            clip=loaded.clip,
            vae=loaded.vae,
            latent=latent,
            prompt="a photo of a ship",
            **DRAWING,
        ),
    )
    assert maps.isfinite().all() and maps.std() > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_the_fast_trainer(comfy, step, name):
    loaded = network(comfy, name)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea\ncat -> a dog", kind="object")
    given = {"clip": loaded.clip, "concepts": concepts}
    refined, _ = comfy.call("MACE_CrossAttnRefine", model=loaded.model, **given)
    drawn, _ = step(
        "Draw Concepts, 2 concepts, 8 images, 2 steps",
        lambda: comfy.call(
            "MACE_DrawConcepts",
            model=loaded.model,
            vae=loaded.vae,
            images=8,
            width=loaded.side,
            height=loaded.side,
            **given,
            **DRAWING,
        ),
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    loras, loss = step(
        "Train Concept LoRA, fast, 2 concepts",
        lambda: comfy.call(
            "MACE_TrainConceptLoRA",
            refined=refined,
            training_set=masked,
            steps=50,
            learning_rate=2e-3,
            seed=0,
            method="fast",
            **given,
        ),
    )
    assert len(loras) == 2 and all(
        factor.isfinite().all() for lora in loras for factor in lora.low_rank.tensors
    )
