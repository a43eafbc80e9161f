"""Fast stage 2: its two least-squares problems, and their effect on attention in the toy network."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.refinement.moments import second_moment
from mace_core.training.closed_form import (
    DEFAULT,
    FEW,
    fast_concept_lora,
    key_edit,
    query_moments,
    sample_moments,
    token_direction,
)
from mace_core.training.samples import draw, examples_of, timesteps_of
from mace_core.training.settings import TrainSettings
from mace_core.training.training_set import TrainingImages, training_prompts
from tests.core.toy import ToyAttentionModel, ToyTextEncoder
from tests.rounding import identical

SHIP = Concept("ship", "sea", synonyms=("sailboat",))
ENCODER = ToyTextEncoder(context_length=30)
PROMPTS = training_prompts(ENCODER, SHIP)


def images(n=3):
    masks = torch.zeros(n, 8, 8)
    masks[:, 2:6, 2:6] = 1  # cells 1 and 2; a cell that is half inside carries no signal
    latents = torch.randn(n, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    latents[:, 0, 1:3, 1:3] += 5  # the inside differs from the outside, as a concept does
    return TrainingImages(latents, masks)


def fast(model=None, settings=None, on_step=None):
    return fast_concept_lora(
        model or ToyAttentionModel(), PROMPTS, images(), SHIP, settings or TrainSettings(), on_step
    )


def ridge_of(A):
    return DEFAULT.ridge * A.diagonal(dim1=-2, dim2=-1).mean(-1)


def test_the_key_edit_is_the_minimum_of_its_sum():
    """Compared with one dense least-squares problem that has a row per position."""
    g = torch.Generator().manual_seed(0)
    q = torch.randn(2, 3, 16, 5, generator=g) + torch.randn(3, 1, 5, generator=g)
    masks = torch.rand(2, 4, 4, generator=g)
    Q, m = query_moments(q, masks, (4, 4))
    found = key_edit(Q, m).view(3, 5)
    M = masks.flatten(1).double().flatten()
    for head in range(3):
        rows = q[:, head].flatten(0, 1).double() / 5**0.5
        # M (q.u + s)^2 + (1 - M) (q.u)^2: each position counts partly as inside, partly as outside
        weights = torch.cat([M, 1 - M]).sqrt()[:, None]
        A = torch.cat([weights * torch.cat([rows, rows]), (ridge_of(Q[head]) / 5).sqrt() * torch.eye(5)])
        wanted = torch.cat([-DEFAULT.drop * torch.ones(32), torch.zeros(32)]).double()[:, None] * weights
        expected = torch.linalg.lstsq(A, torch.cat([wanted, torch.zeros(5, 1)])).solution
        torch.testing.assert_close(found[head], expected[:, 0], rtol=1e-4, atol=1e-4)


def test_the_direction_tells_the_concepts_tokens_from_the_others():
    lora, _ = fast()
    _, D = next(iter(lora.low_rank.values()))
    answers = (PROMPTS.encoded.embeddings @ D.T).squeeze(-1)
    chosen = torch.zeros(answers.shape, dtype=torch.bool)
    for row, phrase in zip(chosen, PROMPTS.phrases, strict=True):
        row[phrase] = True
    assert answers[chosen].min() > 0.5
    assert answers[~chosen].abs().mean() < 0.1


def test_the_direction_is_the_minimum_of_its_sum():
    contexts = PROMPTS.encoded.embeddings
    chosen = torch.zeros(contexts.shape[:2], dtype=torch.bool)
    for row, phrase in zip(chosen, PROMPTS.phrases, strict=True):
        row[phrase] = True
    C = second_moment([contexts])
    A = torch.cat([contexts.flatten(0, 1).double(), ridge_of(C).sqrt() * torch.eye(32, dtype=torch.float64)])
    wanted = torch.cat([chosen.flatten().double(), torch.zeros(32, dtype=torch.float64)])
    expected = torch.linalg.lstsq(A, wanted[:, None]).solution[:, 0]
    torch.testing.assert_close(token_direction(contexts, chosen, C), expected, rtol=1e-6, atol=1e-9)


def test_everyday_words_join_the_problem_and_count_as_much_as_the_concepts_own():
    """The LoRA's D, compared with one dense problem that has a row per token and per word."""
    lora, _ = fast()
    contexts, words = PROMPTS.encoded.embeddings, PROMPTS.others.double()
    chosen = torch.zeros(contexts.shape[:2], dtype=torch.bool)
    for row, phrase in zip(chosen, PROMPTS.phrases, strict=True):
        row[phrase] = True
    weight = (chosen.sum() / len(words)).sqrt()
    ridge = ridge_of(lora.C + weight**2 * words.T @ words).sqrt() * torch.eye(32, dtype=torch.float64)
    A = torch.cat([contexts.flatten(0, 1).double(), weight * words, ridge])
    wanted = torch.cat([chosen.flatten().double(), torch.zeros(len(words) + 32, dtype=torch.float64)])
    expected = torch.linalg.lstsq(A, wanted[:, None]).solution[:, 0]
    for _, D in lora.low_rank.values():
        torch.testing.assert_close(D[0].double(), expected, rtol=1e-4, atol=1e-6)
    without = token_direction(contexts, chosen, lora.C)
    assert (words @ expected).abs().mean() < 0.8 * (words @ without).abs().mean()


def test_attention_leaves_the_mask():
    for seed in range(4):
        _, (before, after) = fast(settings=TrainSettings(seed=seed))
        assert after < 0.5 * before


def test_the_result():
    model = ToyAttentionModel()
    lora, losses = fast(model)
    keys = {name for name in model.layers if name.endswith("to_k")}
    assert set(lora.low_rank) == keys and lora.concept == SHIP
    assert all(U.shape == (8, 1) and D.shape == (1, 32) for U, D in lora.low_rank.values())
    assert all(factor.dtype == torch.float32 for factor in lora.low_rank.tensors)
    assert torch.allclose(lora.C, second_moment([PROMPTS.encoded.embeddings]))
    assert lora.provenance.method == "fast" and lora.provenance.final_loss == losses[-1]
    assert len(model.timesteps) == DEFAULT.samples + 3 * FEW


def test_the_same_seed_gives_the_same_lora_under_inference_mode_too():
    first, _ = fast()
    with torch.inference_mode():
        again, _ = fast()
    other, _ = fast(settings=TrainSettings(seed=1))
    assert identical(first.low_rank, again.low_rank) and not identical(first.low_rank, other.low_rank)


def test_samples_go_one_by_one_and_their_moments_add_up():
    """The sum equals the moments of all samples at once, with the memory of a single sample."""
    model, seen, queries = ToyAttentionModel(), [], ToyAttentionModel.queries
    model.queries = lambda x_t, *rest: seen.append(len(x_t)) or queries(model, x_t, *rest)
    generator = torch.Generator().manual_seed(0)
    settings = TrainSettings()
    sample = draw(
        examples_of(PROMPTS, images(), settings), timesteps_of(settings), DEFAULT.samples, generator
    )
    x_t = model.noise(sample.x_0, sample.t, sample.eps)
    found = sample_moments(model, sample, x_t, (4, 4))
    assert seen == [1] * DEFAULT.samples
    together = model.queries(x_t, sample.t, sample.context, lambda q: query_moments(q, sample.masks, (4, 4)))
    assert found.keys() == together.keys()
    for layer in found:
        for a, b in zip(found[layer], together[layer], strict=True):
            assert (a - b).norm() <= 1e-6 * b.norm()  # float32 products summed in a different order


def test_cancel_after_a_sample():
    class Cancel(Exception):
        pass

    def on_step(*progress):
        seen.append(progress)
        raise Cancel

    seen = []
    with pytest.raises(Cancel):
        fast(on_step=on_step)
    assert seen == [(1, DEFAULT.samples, [])]


def test_another_width_and_queries_that_are_not_finite():
    with pytest.raises(ValueError, match=r"width 32 .*\[16\]"):
        fast(ToyAttentionModel(d=16))
    broken = ToyAttentionModel()
    broken.to_q[0].fill_(float("inf"))
    with pytest.raises(ValueError, match="queries of 'ship' .*NaN"):
        fast(broken)
