"""Masks from attention: the attended region is found at any layer resolution."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.concepts.prompts import plain_prompt
from mace_core.training.attention_maps import attention_heat
from mace_core.training.masks import (
    boxes_of_words,
    heat_to_mask,
    masks_in_order,
    one_size,
    otsu,
    union_of_masks,
    words_to_find,
)

SQUARE = (slice(2, 6), slice(4, 8))  # rows and columns of the concept in the 8 x 8 latents


def maps(*sizes, strength=4.0):
    """Attention per layer, [2, heads, positions, 5], stronger on token 2 inside the square."""
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
    pair = plain_prompt(Concept("ship", "sea", kind, ("boat",)))
    assert "ship" in pair.target and pair.phrase == "ship"


def test_a_detector_is_asked_for_things_not_for_names():
    assert words_to_find("the Red Car", "object") == "red car"
    assert words_to_find("St. Bernard", "object") == "st bernard"
    assert words_to_find("Elon Musk", "person") == words_to_find("nudity", "explicit") == "person"


def answers(**fits):
    """A detector's logits for the tokens start, red, car, ##s, end: how well each fits each box (0..1)."""
    return torch.tensor(list(fits.values())).logit()


RED_CARS = ([1], [2, 3])
FITS = {
    "red_car": [0.1, 0.6, 0.7, 0.1, 0.1],
    "blue_car": [0.1, 0.1, 0.9, 0.2, 0.1],
    "red_thing": [0.9, 0.6, 0.1, 0.1, 0.9],
    "faint": [0.1, 0.3, 0.1, 0.3, 0.1],
}
CORNERS = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.1, 0.5, 0.4, 1], [0.5, 0.5, 1, 1], [0.5, 0.5, 1, 0.5]])


@pytest.mark.parametrize(
    "box, text, kept",
    [
        (0.5, 0.25, [0]),
        (0.5, 0, [0, 1, 2]),
        (0.65, 0, [0, 1]),
        (0.25, 0.25, [0, 3]),
        (0, 0, [0, 1, 2, 3]),
        (0.95, 0, []),
    ],
)
def test_a_box_shows_the_phrase_when_its_best_word_and_every_word_fit(box, text, kept):
    boxes = boxes_of_words(answers(**FITS), CORNERS, RED_CARS, (100, 200), box, text)
    pixels = torch.tensor([[50, 25, 150, 75], [0, 0, 60, 100], [0, 0, 200, 100], [0, 25, 200, 75]])
    assert torch.allclose(boxes, pixels[kept].float(), atol=1e-4)


def test_what_is_cut_out_of_any_box_is_in_the_mask():
    cut = torch.tensor([[[0.9, 0.1], [0.4, 0.1]], [[0.1, 0.2], [0.6, 0.1]]]).logit()
    assert union_of_masks(cut).tolist() == [[1, 0], [1, 0]]
    assert union_of_masks(cut, 0.15).tolist() == [[1, 1], [1, 0]]
    assert union_of_masks(cut[:0]).tolist() == [[0, 0], [0, 0]]


def test_a_batch_of_masks_is_shared_out_in_order_and_resized():
    masks = torch.zeros(3, 16, 16)
    masks[0, :8] = masks[2, :, 8:] = 1
    ship, style = masks_in_order(masks, [("ship", 2, (32, 32)), ("art", 1, (8, 8))])
    assert ship.shape == (2, 32, 32) and ship[0, :16].min() == 1 and ship[0, 16:].max() == ship[1].max() == 0
    assert style.shape == (1, 8, 8) and style[0, :, 4:].min() == 1 and style[0, :, :4].max() == 0


@pytest.mark.parametrize(
    "sizes, sentence",
    [
        ([("ship", 2, (16, 16))], "2 images .*3 masks"),
        (
            [("ship", 1, (16, 16)), ("cat", 2, (16, 32))],
            "'cat' .*32 x 16 .*16 x 16",
        ),
    ],
)
def test_masks_that_do_not_fit_the_pictures(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        masks_in_order(torch.ones(3, 16, 16), sizes)


def test_pictures_of_several_sizes_are_shown_together():
    shown = one_size([torch.zeros(2, 4, 6, 3), torch.ones(1, 8, 8, 3)])
    assert shown.shape == (3, 4, 6, 3) and shown[:2].max() == 0 and shown[2].min() == 1
    assert one_size([torch.ones(1, 4, 6), torch.ones(2, 2, 2)]).shape == (3, 4, 6)
