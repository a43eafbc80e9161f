"""Stage 2 on the toy network: it learns, is reproducible, can be cancelled, and changes no inputs."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.refinement.moments import concept_moments
from mace_core.training.exact import train_concept_lora
from mace_core.training.lora import initial_factors
from mace_core.training.settings import INITIALS, TrainSettings
from mace_core.training.training_set import TrainingImages, TrainingPrompts, training_prompts
from tests.core.toy import ToyAttentionModel, ToyTextEncoder
from tests.rounding import identical

SHIP = Concept("ship", "sea", synonyms=("sailboat",))
ENCODER = ToyTextEncoder(context_length=30)
PROMPTS = training_prompts(ENCODER, SHIP)
FAST = TrainSettings(steps=30, learning_rate=3e-2, batch=4)


def images(n=3, seed=0):
    masks = torch.zeros(n, 8, 8)
    masks[:, 2:7, 1:6] = 1
    return TrainingImages(torch.randn(n, 4, 4, 4, generator=torch.Generator().manual_seed(seed)), masks)


def train(settings=FAST, model=None, on_step=None, prompts=PROMPTS):
    return train_concept_lora(model or ToyAttentionModel(), prompts, images(), SHIP, settings, on_step)


@pytest.mark.parametrize("loss", ["squared", "norm"])
@pytest.mark.parametrize("suppress", [False, True])
def test_training_reduces_the_loss(loss, suppress):
    _, losses = train(
        TrainSettings(steps=40, learning_rate=3e-2, batch=4, rank=2, loss=loss, suppress_end_of_text=suppress)
    )
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_first_step_starts_at_the_refined_model():
    model = ToyAttentionModel()
    for initial in INITIALS:
        start = initial_factors(model.layers, 3, torch.Generator().manual_seed(0), initial)
        assert start.keys() == model.layers.keys()
        assert all((U == 0).all() and U.shape == (8, 3) for U, _ in start.values())
        assert all(D.shape == (3, 32) for _, D in start.values())


@pytest.mark.parametrize(
    "initial, rank, std", [("normal", 1, 1.0), ("normal", 4, 0.25), ("uniform", 1, 300**-0.5)]
)
def test_how_d_starts(initial, rank, std):
    layers = {f"{n}.attn2.to_k": (4, 100) for n in range(200)}
    start = initial_factors(layers, rank, torch.Generator().manual_seed(0), initial)
    assert torch.cat([D.flatten() for _, D in start.values()]).std() == pytest.approx(std, rel=0.02)


def test_the_result():
    model = ToyAttentionModel()
    lora, losses = train(model=model)
    assert lora.concept == SHIP and lora.fingerprint == ENCODER.fingerprint and len(losses) == 30
    assert lora.low_rank.keys() == model.layers.keys()
    for factor in lora.low_rank.tensors:
        assert factor.dtype == torch.float32 and factor.device.type == "cpu" and not factor.requires_grad
    assert torch.allclose(lora.C, concept_moments(ENCODER, SHIP).C)
    assert lora.provenance.final_loss == losses[-1] and lora.provenance.images == 3
    assert lora.provenance.settings.seed == 0


def test_gradients_reach_every_layer_but_the_last_to_v():
    lora, _ = train()
    moved = {name for name, (U, _) in lora.low_rank.items() if U.abs().max() > 0}
    assert moved == lora.low_rank.keys() - {"toy.1.attn2.to_v"}


def test_the_same_seed_gives_the_same_lora():
    (a, losses), (b, again) = train(), train()
    assert losses == again
    assert identical(a.low_rank, b.low_rank)
    other, _ = train(TrainSettings(steps=30, learning_rate=3e-2, batch=4, seed=1))
    assert not torch.equal(a.low_rank["toy.0.attn2.to_k"][1], other.low_rank["toy.0.attn2.to_k"][1])


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    train(TrainSettings(steps=2))
    assert torch.equal(before, torch.get_rng_state())


def test_under_inference_mode():
    model = ToyAttentionModel()  # preparing its own weights for gradients is up to the model
    with torch.inference_mode():
        prompts = training_prompts(ENCODER, SHIP)
        lora, losses = train(model=model, prompts=prompts)
    expected, expected_losses = train()
    assert losses == expected_losses
    assert torch.equal(lora.low_rank["toy.0.attn2.to_k"][0], expected.low_rank["toy.0.attn2.to_k"][0])


def test_the_model_and_the_inputs_are_untouched():
    model, given = ToyAttentionModel(), images()
    tensors = [*model.weights.values(), given.latents, given.masks, PROMPTS.encoded.embeddings]
    before = [x.clone() for x in tensors]
    train_concept_lora(model, PROMPTS, given, SHIP, FAST)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, tensors, strict=True))


def test_cancel_stops_within_the_step():
    class Cancel(Exception):
        pass

    def on_step(step, steps, loss):
        seen.append((step, steps, loss))
        if step == 3:
            raise Cancel

    seen, model = [], ToyAttentionModel()
    with pytest.raises(Cancel):
        train(model=model, on_step=on_step)
    assert [step for step, _, _ in seen] == [1, 2, 3] and seen[0][1] == 30
    assert len(model.timesteps) == 3 * FAST.batch
    again, first = train(model=model), train()
    assert torch.equal(again[0].low_rank["toy.0.attn2.to_k"][0], first[0].low_rank["toy.0.attn2.to_k"][0])


def test_timesteps_follow_the_importance_sampling_or_are_uniform():
    focal, uniform = ToyAttentionModel(), ToyAttentionModel()
    train(TrainSettings(steps=4, batch=100), focal)
    train(TrainSettings(steps=4, batch=100, cfis=False), uniform)
    between = [sum(150 < t < 450 for t in model.timesteps) / 400 for model in (focal, uniform)]
    assert between[0] > 0.9 and between[1] < 0.4


def test_synonyms_are_trained_and_located():
    tokens = PROMPTS.encoded.tokens
    found = {tuple(row[phrase].tolist()) for row, phrase in zip(tokens, PROMPTS.phrases, strict=True)}
    assert found == {ENCODER.word_tokens("ship"), ENCODER.word_tokens("sailboat")}


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("rank", 0, "rank .*is 0"),
        ("steps", 0, "steps .*is 0"),
        ("batch", -1, "batch .*is -1"),
        ("learning_rate", 0.0, "learning rate is 0.0"),
        ("learning_rate", float("nan"), "learning rate is nan"),
        ("loss", "l1", "loss is 'l1'"),
        ("initial", "zero", "initial is 'zero'"),
    ],
)
def test_settings_out_of_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**{name: value})


LATENTS, MASKS = torch.zeros(2, 4, 8, 8), torch.ones(2, 64, 64)


@pytest.mark.parametrize(
    "latents, masks, message",
    [
        (torch.zeros(0, 4, 8, 8), torch.ones(0, 64, 64), "no images"),
        (LATENTS, MASKS[:1], "2 images and masks of shape"),
        (LATENTS, MASKS[:, None], "give one mask"),
        (LATENTS, torch.ones(2, 64, 32), "32 x 64 .*8 x 8"),
        (LATENTS, MASKS * 255, "outside 0 to 1"),
        (LATENTS, MASKS * float("nan"), "outside 0 to 1"),
        (LATENTS, MASKS * 0, "masks are empty"),
        (LATENTS * float("inf"), MASKS, "latents contain NaN"),
    ],
)
def test_images_that_cannot_be_trained_on(latents, masks, message):
    with pytest.raises(ValueError, match=message):
        TrainingImages(latents, masks)


def test_a_latent_rounded_by_the_vae_is_accepted():
    TrainingImages(torch.zeros(1, 4, 62, 93), torch.ones(1, 500, 750))


def test_another_width_and_a_loss_that_is_not_finite():
    with pytest.raises(ValueError, match=r"width 32 .*\[16\]"):
        train(model=ToyAttentionModel(d=16))
    broken = ToyAttentionModel()
    broken.weights["toy.0.attn2.to_k"].fill_(float("nan"))
    with pytest.raises(ValueError, match="loss of 'ship' .*NaN .*step 1"):
        train(model=broken)


def test_a_target_longer_than_the_context():
    with pytest.raises(ValueError, match="has 30"):
        training_prompts(ENCODER, Concept(" ".join(["ship"] * 40), "sea"))


def test_training_prompts_say_where_the_phrase_is():
    assert isinstance(PROMPTS, TrainingPrompts) and PROMPTS.fingerprint == ENCODER.fingerprint
    assert len(PROMPTS.phrases) == len(PROMPTS.encoded.tokens) == len(PROMPTS.encoded.embeddings)
