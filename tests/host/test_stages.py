"""Through the nodes: the final weights satisfy equations 2 and 7, layer by layer."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_patches import LAYER, OTHER, weight_in_force
from tests.rounding import product

CAPTIONS = "a photo of a cat\na photo of a dog\na horse in the snow"
RIDGE, SHARE, PRESERVE = 5.0, 0.1, 1e-6
BOTH = 2 * PRESERVE  # the effective lambda: it counts once for each of the two concepts


@pytest.fixture(scope="module")
def run(comfy):
    """Every output, by name, of a small run over two concepts."""
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.call(
        "MACE_EraseConcepts", concepts="ship (boat) -> sea\ndog -> ground", kind="object"
    )
    (prior,) = comfy.call("MACE_PreservePrior", clip=clip, captions=CAPTIONS, weight=1.0)
    settings = {"prior": prior, "preserve_weight": PRESERVE, "ridge": RIDGE, "relative_ridge": SHARE}
    network = {"model": model, "clip": clip, "concepts": concepts}
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", **network, **settings)
    drawn, images = comfy.call(
        "MACE_DrawConcepts", **network, vae=vae, images=3, steps=2, cfg=4.0, seed=0, width=64, height=128
    )
    masked, masks = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    loras, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=4,
        learning_rate=1e-2,
        seed=0,
        method="exact, keys and values",
    )
    (fused,) = comfy.call("MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras, **settings)
    (erased,) = comfy.call(
        "MACE_ApplyErasedModel", model=model, erasure=fused, strength=1.0, clip=clip, mode="linear"
    )
    return locals()


@pytest.fixture(scope="module")
def moments(comfy, run):
    encoder = comfy.module("nodes.host.text_encoder").HostTextEncoder(run["clip"])
    concept_moments = comfy.module("mace_core.refinement.moments").concept_moments
    return [concept_moments(encoder, concept) for concept in run["concepts"]]


def refined_weight(W, moments, prior):
    """Equation 2 as printed in the paper, with a ridge; float64."""
    F = sum(m.F for m in moments)
    kept = BOTH * prior.P + ridge(F)
    return (sum(W @ m.G for m in moments) + W @ kept) @ torch.linalg.inv(F + kept)


def fused_weight(W, refined, layer, loras, moments, prior):
    """Equation 7 as printed in the paper; the ridge pulls towards the refined weight; float64."""
    C = sum(m.C for m in moments)
    sums = BOTH * W @ prior.P + refined @ ridge(C)
    for lora, m in zip(loras, moments, strict=True):
        sums = sums + (refined + product(lora.low_rank[layer]).double()) @ m.C
    return sums @ torch.linalg.inv(C + BOTH * prior.P + ridge(C))


def ridge(second_moment):
    """r I, with the share of the mean eigenvalue."""
    r = RIDGE + SHARE * torch.linalg.eigvalsh(second_moment).mean()
    return r * torch.eye(len(second_moment), dtype=torch.float64)


@pytest.mark.parametrize("layer", [LAYER, OTHER])
def test_the_weights_in_force_are_those_of_the_paper(run, moments, layer):
    W = weight_in_force(run["model"], layer).double()
    refined = refined_weight(W, moments, run["prior"])
    fused = fused_weight(W, refined, layer, run["loras"], moments, run["prior"])
    assert_same(weight_in_force(run["refined"], layer), refined)
    assert_same(weight_in_force(run["erased"], layer), fused)
    assert (fused - refined).norm() > 1e-3 * (refined - W).norm()


def assert_same(ours, theirs):
    assert (ours.double() - theirs).norm() < 1e-5 * theirs.norm()


def test_one_lora_per_concept_and_one_loss_per_step(run):
    assert [lora.concept.target for lora in run["loras"]] == ["ship", "dog"]
    assert len(run["loss"]["loss"]) == 8 and all(isinstance(value, float) for value in run["loss"]["loss"])
    assert all(lora.low_rank[layer][0].any() for lora in run["loras"] for layer in (LAYER, OTHER))


def test_pictures_and_masks_are_of_one_size_and_in_order(run):
    assert run["images"].shape == (6, 128, 64, 3)
    assert run["masks"].shape == (6, 128, 64)
    assert set(run["masks"].unique().tolist()) == {0.0, 1.0}
    assert [images.target for images in run["masked"]] == ["ship", "dog"]


def test_each_picture_depends_on_its_seed_alone(comfy, run):
    """Image 3 of 3 equals image 1 with the seed raised by two, so sets of any size are comparable."""
    settings = {"steps": 2, "cfg": 4.0, "seed": 2, "width": 64, "height": 128}
    [again], _ = comfy.call(
        "MACE_DrawConcepts",
        model=run["model"],
        clip=run["clip"],
        vae=run["vae"],
        concepts=run["concepts"][:1],
        images=1,
        **settings,
    )
    drawn = run["drawn"][0].latents
    torch.testing.assert_close(
        again.latents[0], drawn[2], atol=1e-3, rtol=1e-3
    )  # rounding depends on the batch
    assert (drawn[1] - drawn[2]).abs().max() > 0.1  # another seed


def test_the_whole_image_is_a_mask_too(comfy, run):
    whole, masks = comfy.call("MACE_MaskConcepts", training_set=run["drawn"], method="whole image")
    assert masks.min() == 1 and masks.shape == run["masks"].shape


def test_own_pictures_train_as_drawn_ones_do(comfy, run):
    """The VAE crops sizes that are not a multiple of eight; images and masks follow."""
    images, masks = torch.rand(2, 67, 70, 3), torch.ones(2, 67, 70)
    pictures = {"images": images, "vae": run["vae"]}
    (own,) = comfy.call("MACE_TrainingSetFromImages", **pictures, concept="ship", masks=masks)
    (both,) = comfy.call("MACE_TrainingSetFromImages", **pictures, concept="dog", other=own)
    assert [each.target for each in both] == ["ship", "dog"]
    assert own[0].latents.shape == (2, 4, 8, 8) and own[0].masks.shape == (2, 64, 64)
    loras, _ = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=run["refined"],
        clip=run["clip"],
        concepts=run["concepts"],
        training_set=both,
        steps=1,
        learning_rate=1e-2,
        seed=0,
        method="exact",
    )
    assert len(loras) == 2
    with pytest.raises(ValueError, match="Both training sets .*'ship'"):
        comfy.call("MACE_TrainingSetFromImages", **pictures, concept="ship", other=own)


def test_a_prior_with_nan_is_refused(comfy, run):
    Prior = comfy.module("mace_core.refinement.prior").Prior
    with pytest.raises(ValueError, match="NaN"):
        Prior(run["prior"].P * float("nan"), 3, run["prior"].fingerprint)
