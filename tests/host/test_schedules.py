"""Noise schedules of other nodes and of distilled models work with every step of the pack."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT

DRAWING = {"images": 1, "steps": 2, "cfg": 1.0, "seed": 0, "width": 64, "height": 64}
LEVELS = torch.tensor([0, 321, 999])


@pytest.fixture(scope="module")
def loaded(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


def discrete(sampling, zsnr=False):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    return lambda model: ModelSamplingDiscrete().patch(model, sampling, zsnr)[0]


def continuous(sampling):
    from comfy_extras.nodes_model_advanced import ModelSamplingContinuousEDM

    return lambda model: ModelSamplingContinuousEDM().patch(model, sampling, 120.0, 0.002)[0]


def few_steps(model):
    """A schedule with four noise levels, as in models distilled to few steps."""
    from comfy.model_sampling import EPS
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscreteDistilled

    class FewSteps(ModelSamplingDiscreteDistilled, EPS):
        original_timesteps = 4

    patched = model.clone()
    patched.add_object_patch("model_sampling", FewSteps(model.model.model_config))
    return patched


SCHEDULES = {
    "lcm": lambda model: discrete("lcm")(model),
    "zsnr": lambda model: discrete("v_prediction", zsnr=True)(model),
    "x0": lambda model: discrete("x0")(model),
    "edm": lambda model: continuous("edm")(model),
    "v continuous": lambda model: continuous("v_prediction")(model),
    "few steps": few_steps,
}


@pytest.fixture(scope="module", params=SCHEDULES)
def patched(request, loaded):
    return SCHEDULES[request.param](loaded[0])


def sigmas_used(comfy, model, t):
    """The noise that `noise` adds at each timestep: x_t for a zero image and unit noise."""
    with torch.inference_mode():
        conditioning, latents = [[torch.zeros(1, 77, 128), {}]], torch.zeros(len(t), 4, 8, 8)
    open_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), open_model(model, conditioning, latents[:1], training=False) as unet:
        return unet.noise(latents.clone(), t, torch.ones(len(t), 4, 8, 8))[:, 0, 0, 0]


def test_an_ordinary_schedule_is_used_as_it_is(comfy, loaded):
    sigmas = loaded[0].model.model_sampling.sigmas
    assert torch.equal(sigmas_used(comfy, loaded[0], torch.arange(len(sigmas))), sigmas)


def test_the_noise_is_one_of_the_schedules_own_levels(comfy, patched):
    sampling = patched.get_model_object("model_sampling")
    used = sigmas_used(comfy, patched, LEVELS)
    sigmas = sampling.sigmas.view(-1, 1, 1, 1)
    levels = sampling.noise_scaling(sigmas, torch.ones_like(sigmas), torch.zeros_like(sigmas)).flatten()
    assert all((levels == level).any() for level in used)
    assert used[0] == levels[0] and used[-1] == levels[-1] and used.diff().ge(0).all()


def test_a_distilled_schedule_is_read_at_the_timestep_that_was_asked_for(comfy, loaded):
    """The nearest of fifty levels, so the network gets noise that it was trained on."""
    model = SCHEDULES["lcm"](loaded[0])
    sampling = model.get_model_object("model_sampling")
    t = torch.arange(0, 1000, 7)
    seen = sampling.timestep(sigmas_used(comfy, model, t))
    assert len(sampling.sigmas) == 50 and (seen - t)[t > 20].abs().max() <= 10


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_stages_and_maps(comfy, loaded, patched, method):
    _, clip, vae = loaded
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", model=patched, clip=clip, concepts=concepts)
    drawn, pictures = comfy.call(
        "MACE_DrawConcepts", model=patched, clip=clip, vae=vae, concepts=concepts, **DRAWING
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    loras, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=2,
        learning_rate=1e-2,
        seed=0,
        method=method,
    )
    assert pictures.isfinite().all() and torch.tensor(loss["loss"]).isfinite().all()
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    maps, _ = comfy.call(
        "MACE_ViewAttention",
        before=patched,
        after=refined,
        clip=clip,
        vae=vae,
        latent=latent,
        prompt="a photo of a ship",
        seed=0,
        steps=1,
        cfg=1.0,
    )
    assert maps.isfinite().all()
