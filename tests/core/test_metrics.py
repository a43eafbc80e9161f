"""H_o and H_c reproduce the paper's table rows, as fractions."""

import pytest
import torch

from mace_core.evaluation.metrics import h_c, h_o, harmonic_mean, mean_probability, top1_accuracy


@pytest.mark.parametrize(
    "acc_e, acc_s, acc_g, expected",
    [
        (1.0, 1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0),
        (0.5, 0.5, 0.5, 0.5),
        (0.0849, 0.9735, 0.1053, 0.9259),
    ],
)
def test_h_o(acc_e, acc_s, acc_g, expected):
    assert h_o(acc_e, acc_s, acc_g) == pytest.approx(expected, abs=1e-3)


def test_h_c():
    assert h_c(0.0431, 0.8456) == pytest.approx(0.8978, abs=1e-4)  # from the paper: 100 celebrities
    assert h_c(1.0, 1.0) == 0


def test_harmonic_mean():
    assert harmonic_mean(0.25, 1.0) == pytest.approx(0.4)
    assert harmonic_mean(0.0, 1.0) == 0
    with pytest.raises(ValueError, match="at least one"):
        harmonic_mean()
    for percentage in (97.35, -0.1, float("nan")):
        with pytest.raises(ValueError, match="not a fraction"):
            harmonic_mean(percentage)


def test_accuracies():
    probabilities = torch.tensor([[0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.7, 0.3]])
    assert top1_accuracy(probabilities, 0) == 0.75
    assert mean_probability(probabilities, 0) == pytest.approx(0.6)
