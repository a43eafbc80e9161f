"""Concept-focal importance sampling (equation 5)."""

import math

import pytest
import torch

from mace_core.training.importance import timestep_probabilities, uniform_probabilities


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    "t1, t2, gamma, steps", [(200, 400, 0.05, 1000), (100, 700, 0.01, 1000), (5, 9, 1.0, 20)]
)
def test_the_formula(t1, t2, gamma, steps):
    xi = timestep_probabilities(t1, t2, gamma, steps)
    by_hand = [sigmoid(gamma * (t - t1)) - sigmoid(gamma * (t - t2)) for t in range(steps)]
    assert xi.tolist() == pytest.approx([p / sum(by_hand) for p in by_hand], rel=1e-9, abs=1e-15)
    assert xi.sum().item() == pytest.approx(1) and xi.min() >= 0


def test_the_papers_settings_focus_on_200_to_400():
    xi = timestep_probabilities()
    assert xi[200:401].sum() > 0.85 and int(xi.argmax()) == 300
    drawn = torch.multinomial(xi, 20000, replacement=True, generator=torch.Generator().manual_seed(0))
    assert drawn.double().mean().item() == pytest.approx(300, abs=2)


def test_uniform():
    assert uniform_probabilities(10).tolist() == pytest.approx([0.1] * 10)


@pytest.mark.parametrize("values", [(400, 200, 0.05), (200, 400, 0.0)])
def test_values_that_make_no_distribution(values):
    with pytest.raises(ValueError, match="t1 below t2"):
        timestep_probabilities(*values)
