"""What an erasure costs while sampling on a GPU, with resident and with offloaded weights.

Times go to the table at the end; the test checks that the gate works and that nothing stays behind. Random
text encoders give all prompts much the same embeddings, so that only the miniature's gate can stay shut.
"""

from functools import partial

import pytest
import torch

from dev.host.card import FAMILIES
from dev.speed.sampling import OFFLOADED, RESIDENT, offloaded
from tests.cuda.models import network

STEPS, TIMES = 20, 4
ABOUT, OTHER = "a photo of a ship at night", "a photo of a tree"


@pytest.mark.parametrize("name", FAMILIES)
def test_an_erasure_while_sampling(comfy, dynamic, step, name):
    loaded = network(comfy, name)
    without = drawn(comfy, loaded, loaded.model, ABOUT)
    kept = drawn(comfy, loaded, loaded.model, OTHER)
    ways = {"without": loaded.model} | {mode: erased(comfy, loaded, mode) for mode in ("gated", "linear")}
    for place in (RESIDENT,) if dynamic else (RESIDENT, OFFLOADED):
        images = {}
        for way, model in ways.items():
            placed = model if place == RESIDENT else offloaded(model)
            work = partial(drawn, comfy, loaded, placed, ABOUT)
            images[way] = step(f"{STEPS} steps, {place}, {way}", work, times=TIMES)
        assert all(each.isfinite().all() for each in images.values())
        for mode in ("gated", "linear"):
            assert off(images[mode], images["without"]) > 1e-3, (place, mode)
    assert name != "mini" or off(drawn(comfy, loaded, ways["gated"], OTHER), kept) == 0, "the gate is open"
    assert off(drawn(comfy, loaded, loaded.model, ABOUT), without) == 0, "the MODEL has changed"


def off(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference."""
    return (ours - theirs).abs().max().item()


def erased(comfy, loaded, mode: str):
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea\ncat -> a dog", kind="object")
    (prior,) = comfy.run("MACE_PreservePrior", clip=loaded.clip, names="horse\nairplane\ntree", captions="")
    given = {"model": loaded.model, "clip": loaded.clip, "concepts": concepts, "prior": prior}
    _, erasure = comfy.run("MACE_CrossAttnRefine", **given)
    return comfy.run("MACE_ApplyErasedModel", model=loaded.model, erasure=erasure, mode=mode)[0]


def drawn(comfy, loaded, model, prompt: str) -> torch.Tensor:
    """The latent after STEPS steps with guidance."""
    positive, negative = (
        comfy.call("CLIPTextEncode", clip=loaded.clip, text=each)[0] for each in (prompt, "")
    )
    (latent,) = comfy.call("EmptyLatentImage", width=loaded.side, height=loaded.side, batch_size=1)
    drawing = {"seed": 0, "steps": STEPS, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal"}
    given = {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
    return comfy.call("KSampler", **given, **drawing, denoise=1.0)[0]["samples"].cpu()
