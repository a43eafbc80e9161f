"""Concepts trained in one batch: each gets the LoRA that it would get when trained alone."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.training.batches import in_groups
from mace_core.training.exact import TrainingJob, clip_each, train_concept_lora, train_concept_loras
from mace_core.training.settings import TrainSettings
from mace_core.training.training_set import TrainingImages, training_prompts
from tests.core.toy import ToyAttentionModel, ToyTextEncoder
from tests.rounding import TRAINED, loras_apart

ENCODER = ToyTextEncoder(context_length=30)
CONCEPTS = (Concept("ship", "sea", synonyms=("sailboat",)), Concept("cat", "dog"), Concept("oil lamp", "sky"))


def job(number, concept, side=4):
    masks = torch.zeros(2 + number, 8, 8)
    masks[:, number:6, 1 : 7 - number] = 1
    latents = torch.randn(2 + number, 4, side, side, generator=torch.Generator().manual_seed(number))
    return TrainingJob(concept, training_prompts(ENCODER, concept), TrainingImages(latents, masks))


JOBS = [job(number, concept) for number, concept in enumerate(CONCEPTS)]


class RecordingModel(ToyAttentionModel):
    """Records the factors of its last call with gradients, which the backward pass fills in."""

    def attention(self, x_t, t, context, lora):
        if torch.is_grad_enabled():
            self.factors = lora.tensors
            for factor in self.factors:
                factor.retain_grad()
        return super().attention(x_t, t, context, lora)


def gradients(jobs, batch):
    """Gradients of the third step, where U is no longer zero: per sample, before clipping."""
    model = RecordingModel()
    train_concept_loras(model, jobs, TrainSettings(steps=3, learning_rate=3e-2, batch=batch))
    return [factor.grad for factor in model.factors if factor.grad is not None]


@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_are_those_of_training_alone(batch):
    together = gradients(JOBS, batch)
    alone = [gradients([each], batch) for each in JOBS]
    for number, gradient in enumerate(together):
        expected = torch.cat([each[number] for each in alone])
        assert expected.abs().max() > 0
        assert (gradient - expected).norm() <= 1e-4 * expected.norm()  # float32 rounding is about 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(steps=20, learning_rate=3e-2, batch=2, seed=5),
        TrainSettings(
            steps=20, learning_rate=3e-2, rank=3, loss="norm", suppress_end_of_text=True, cfis=False
        ),
    ],
)
def test_the_loras_are_those_of_training_alone(settings):
    together = train_concept_loras(ToyAttentionModel(), JOBS, settings)
    for each, (lora, losses) in zip(JOBS, together, strict=True):
        alone, expected = train_concept_lora(
            ToyAttentionModel(), each.prompts, each.images, each.concept, settings
        )
        assert lora.concept == each.concept and torch.equal(lora.C, alone.C)
        assert lora.provenance.images == len(each.images.latents)
        assert losses == pytest.approx(expected, rel=1e-4)
        assert loras_apart(lora, alone) < TRAINED


def test_gradients_are_clipped_by_concept():
    sizes = torch.tensor([10.0, 0.01]).view(2, 1, 1)  # the norm of the second concept is below 1
    gradients = [sizes * torch.ones(2, 3, 1), sizes * torch.ones(2, 1, 4)]
    factors = [torch.zeros_like(gradient).requires_grad_() for gradient in gradients]
    for factor, gradient in zip(factors, gradients, strict=True):
        factor.grad = gradient.clone()
    clip_each([*factors, torch.zeros(2, 1, 1)], 1.0)  # the last one has no gradient
    for concept in range(2):
        alone = [torch.zeros_like(gradient[concept]) for gradient in gradients]
        for factor, gradient in zip(alone, gradients, strict=True):
            factor.grad = gradient[concept].clone()
        torch.nn.utils.clip_grad_norm_(alone, 1.0)
        for factor, expected in zip(factors, alone, strict=True):
            torch.testing.assert_close(factor.grad[concept], expected.grad)


def test_the_concept_whose_loss_is_not_finite_is_named():
    broken = job(1, CONCEPTS[1])
    broken.prompts.encoded.embeddings.fill_(float("inf"))
    with pytest.raises(ValueError, match="loss of 'cat' .*NaN .*step 1"):
        train_concept_loras(ToyAttentionModel(), [JOBS[0], broken], TrainSettings(steps=2))


def test_images_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="2 shapes"):
        train_concept_loras(ToyAttentionModel(), [JOBS[0], job(1, CONCEPTS[1], side=8)], TrainSettings())


def groups(items, most, fits=100):
    """The results and the groups tried by in_groups; groups larger than `fits` run out of memory."""
    tried = []

    def train(group):
        tried.append("".join(group))
        if len(group) > fits:
            raise MemoryError
        return [item.upper() for item in group]

    done = list(in_groups(items, most, str.isalpha, train, is_memory))
    assert [item for group, _ in done for item in group] == list(items)
    return [result for _, results in done for result in results], tried


def is_memory(error):
    return isinstance(error, MemoryError)


def test_groups_keep_the_order_and_one_shape():
    assert groups("abcde", 2) == (list("ABCDE"), ["ab", "cd", "e"])
    assert groups("ab12c", 9) == (list("AB12C"), ["ab", "12", "c"])
    assert groups("", 3) == ([], [])


def test_groups_that_do_not_fit_are_halved_and_stay_small():
    assert groups("abcdefg", 5, fits=2) == (
        list("ABCDEFG"),
        ["abcde", "ab", "cd", "ef", "g"],
    )
    with pytest.raises(MemoryError):
        groups("abc", 3, fits=0)


def test_another_error_is_passed_on_at_once():
    tried = []

    def train(group):
        tried.append(group)
        raise ValueError("no such concept")

    with pytest.raises(ValueError, match="no such concept"):
        list(in_groups("abcd", 4, len, train, is_memory))
    assert tried == [list("abcd")]


def test_a_finished_group_is_handed_over_before_the_next_begins():
    begun = []
    groups = in_groups("abcd", 2, len, lambda group: begun.append(group) or list(group), is_memory)
    assert next(groups) == (["a", "b"], ["a", "b"]) and begun == [["a", "b"]]
    assert next(groups) == (["c", "d"], ["c", "d"]) and len(begun) == 2
