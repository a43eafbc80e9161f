"""Stage 2 on the toy network: it learns, is reproducible, can be cancelled, and changes no inputs."""

from dataclasses import replace

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.refinement.moments import concept_moments
from mace_core.training.attention_maps import layer_size, resize_masks
from mace_core.training.effect import HELD_OUT, effects_of
from mace_core.training.exact import CHECK_EVERY, train_concept_lora
from mace_core.training.lora import initial_factors
from mace_core.training.samples import between, draw, drawn_evenly, examples_of, timesteps_of
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


def test_keys_only_leaves_the_values_alone():
    lora, losses = train(replace(FAST, trains="keys"))
    assert list(lora.low_rank) == ["toy.0.attn2.to_k", "toy.1.attn2.to_k"]
    assert all(U.abs().max() > 0 for U, _ in lora.low_rank.values())
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_training_stops_at_its_target_on_samples_held_out():
    long = replace(FAST, steps=200)
    whole, losses = train(long)
    target = 2 * whole.provenance.effect.left
    lora, some = train(replace(long, stop_at=target))
    assert 0 < lora.provenance.effect.left <= target < 1
    assert len(some) == lora.provenance.effect.steps < len(losses) == 200 and some == losses[: len(some)]
    assert len(some) % CHECK_EVERY == 0
    almost, _ = train(replace(long, stop_at=0.99 * lora.provenance.effect.left))
    assert almost.provenance.effect.steps > len(some)


def test_the_effect_is_the_change_of_logits_written_out():
    """Queries, masks and U D e of one sample, place by place."""
    model, generator = ToyAttentionModel(), torch.Generator().manual_seed(5)
    lora = initial_factors(model.layers, 2, generator).each(
        lambda x: x + torch.rand(x.shape, generator=generator)
    )
    sample = draw(examples_of(PROMPTS, images(), FAST), between(50, 950), 1, generator)
    [effect] = effects_of(model, [sample], [lora], [PROMPTS.others], [0.5], [7])
    assert (effect.left, effect.steps) == (0.5, 7)
    x_t = model.noise(sample.x_0, sample.t, sample.eps)
    wanted = []
    for layer, q in model.queries(x_t, sample.t, sample.context, lambda q: q[0]).items():
        (U, D), M = lora[layer], resize_masks(sample.masks, layer_size(q.shape[1], (4, 4)))[0]

        def mean(tokens, weights, q=q, U=U, D=D):
            edit = (tokens @ D.T @ U.T).unflatten(1, (2, 4))  # [tokens, heads, dh]
            logits = torch.einsum("hpc,nhc->nhp", q, edit) / 2
            return (logits * weights).sum(-1).mean(1) / weights.sum()

        own = sample.context[sample.suppressed]
        row = mean(own, M).mean(), mean(own, 1 - M).mean(), mean(PROMPTS.others, M).abs().mean()
        wanted.append([float(each) for each in row])
    for found, column in zip(
        (effect.inside, effect.outside, effect.other), zip(*wanted, strict=True), strict=True
    ):
        assert found == pytest.approx(sum(column) / 2, rel=1e-4)


def test_nothing_is_outside_a_mask_of_the_whole_image():
    whole = TrainingImages(images().latents, torch.full((3, 8, 8), 1 - 1e-6))
    lora, _ = train_concept_lora(ToyAttentionModel(), PROMPTS, whole, SHIP, FAST)
    effect = lora.provenance.effect
    assert effect.outside == 0 != effect.inside


def test_other_words_are_not_the_concepts_own():
    """Ship is one of the everyday names, zebra is not."""
    zebra = training_prompts(ENCODER, Concept("zebra", "ground"))
    assert len(PROMPTS.others) == len(zebra.others) - 1 > 10
    everything = Concept("zebra", "ground", synonyms=tuple(KINDS["object"].everyday))
    assert training_prompts(ENCODER, everything).others.shape == (0, 32)


def test_even_draws_cover_images_and_timesteps():
    examples = examples_of(PROMPTS, images(), FAST)
    drawn = drawn_evenly(examples, between(50, 949), 9, torch.Generator().manual_seed(0))
    assert torch.equal((drawn.t + 1) // 100, torch.arange(1, 10))  # the last bit of a sum may move one
    assert all((drawn.x_0 == image).all((1, 2, 3)).sum() == 3 for image in examples.latents)
    focal = drawn_evenly(examples, timesteps_of(FAST), 9, torch.Generator().manual_seed(0)).t
    assert ((150 < focal) & (focal < 450)).all()


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
    assert len(model.timesteps) == 3 * FAST.batch + HELD_OUT
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
        ("trains", "values", "trains is 'values'"),
        ("stop_at", 1.5, "stop at is 1.5"),
        ("stop_at", float("nan"), "stop at is nan"),
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
