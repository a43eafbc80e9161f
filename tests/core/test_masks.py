"""Masks from attention: what is looked at is found, whatever the resolution of the layer."""

import pytest
import torch

from mace_core.concepts import KINDS, Concept
from mace_core.drawing import drawing_prompt
from mace_core.masks import attention_heat, heat_to_mask, otsu

SQUARE = (slice(2, 6), slice(4, 8))  # rows, columns of the 8 x 8 latents where the concept is


def maps(*sizes, strength=4.0):
    """Per layer attention [2, heads, places, 5], stronger to token 2 inside the square."""
    inside = torch.zeros(1, 1, 8, 8)
    inside[0, 0, SQUARE[0], SQUARE[1]] = 1
    layers = []
    for size in sizes:
        share = torch.nn.functional.interpolate(inside, (size, size), mode="area").flatten()
        attention = torch.full((2, 3, size * size, 5), 0.1)
        attention[..., 2] += strength * share / 10
        layers.append(attention)
    return layers


@pytest.mark.parametrize("sizes", [(8,), (8, 4), (4, 8, 8)])
def test_the_concept_is_found_where_it_is_looked_at(sizes):
    mask = heat_to_mask(attention_heat(maps(*sizes), slice(2, 3), (8, 8)))
    truth = torch.zeros(8, 8)
    truth[SQUARE] = 1
    assert mask.shape == (2, 8, 8)
    overlap = (mask * truth).sum((1, 2)) / ((mask + truth) > 0).sum((1, 2))
    assert (overlap > 0.6).all()


def test_layers_weigh_the_same_however_much_attention_goes_to_words():
    weak = attention_heat(maps(8), slice(2, 3), (8, 8))
    strong = attention_heat([10 * layer for layer in maps(8)], slice(2, 3), (8, 8))
    assert torch.allclose(weak, strong)


def test_a_threshold_of_ones_own_and_an_image_without_contrast():
    heat = attention_heat(maps(8), slice(2, 3), (8, 8))
    assert heat_to_mask(heat, 0.2).sum() > heat_to_mask(heat, 0.9).sum() > 0
    assert heat_to_mask(torch.ones(1, 8, 8)).min() == 1


def test_heat_of_latents_that_are_not_square():
    attention = torch.rand(1, 2, 6 * 9, 5)
    assert attention_heat([attention, torch.rand(1, 2, 3 * 5, 5)], slice(1, 3), (6, 9)).shape == (1, 6, 9)


def test_otsu_cuts_between_two_groups():
    values = torch.cat([torch.randn(50) * 0.01 + 0.2, torch.randn(20) * 0.01 + 0.8])
    assert 0.25 < otsu(values) < 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawing_prompt_is_one_of_the_concepts_own(kind):
    pair = drawing_prompt(Concept("ship", "sea", kind, ("boat",)))
    assert "ship" in pair.target and pair.phrase == "ship"
