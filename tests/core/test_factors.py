"""Low-rank edits as values: sums, scaling, stacking, and their state in files."""

import pytest
import torch

from mace_core.training.factors import LowRank, cat, keys_of, stack
from tests.rounding import identical, product

LAYERS = {"b.to_k": (6, 8), "a.to_v": (5, 8)}


def edit(rank: int, seed: int, layers=LAYERS) -> LowRank:
    g = torch.Generator().manual_seed(seed)
    return LowRank(
        {
            name: (torch.randn(o, rank, generator=g), torch.randn(rank, d, generator=g))
            for name, (o, d) in layers.items()
        }
    )


def test_the_product_of_a_concatenation_is_the_sum_of_products():
    one, other = edit(1, 0), edit(3, 1)
    both = cat([one, other])
    for name in LAYERS:
        assert both[name][0].shape[1] == 4
        torch.testing.assert_close(product(both[name]), product(one[name]) + product(other[name]))


def test_layers_that_only_one_edit_has_stay():
    one, other = edit(1, 0, {"b.to_k": (6, 8)}), edit(1, 1)
    both = cat([one, LowRank(), other])
    assert set(both) == set(LAYERS) and torch.equal(product(both["a.to_v"]), product(other["a.to_v"]))
    assert not cat([])


def test_other_widths_are_refused():
    with pytest.raises(ValueError, match="output widths .*'b.to_k'"):
        cat([edit(1, 0), edit(1, 0, {"b.to_k": (7, 8)})])


def test_scaled_and_in_another_dtype():
    one = edit(2, 0)
    torch.testing.assert_close(product(one.scaled(0.25)["b.to_k"]), product(one["b.to_k"]) / 4)
    assert {factor.dtype for factor in one.to(torch.float64).tensors} == {torch.float64}


def test_on_text_is_the_edit_behind_a_matrix():
    one, T = edit(2, 0), torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    behind = one.on_text(T)
    expected = product(one.to(torch.float64)["b.to_k"]) @ T
    torch.testing.assert_close(product(behind["b.to_k"]).double(), expected, rtol=1e-5, atol=1e-5)
    assert behind["b.to_k"][1].dtype == torch.float32


def test_a_stack_has_each_edit_in_its_place():
    edits = [edit(2, seed) for seed in range(3)]
    together = stack(edits)
    for number, one in enumerate(edits):
        assert identical(together.each(lambda factor, number=number: factor[number]), one)


def test_files_hold_every_factor_and_give_it_back_in_the_order_of_names():
    one = edit(2, 0)
    state = {**one.state(), "T": torch.eye(8), "C": torch.eye(8)}
    assert set(one.state()) == {f"{letter}.{name}" for letter in "UD" for name in LAYERS}
    again = LowRank.from_state(state)
    assert list(again) == sorted(LAYERS) and all(torch.equal(again[n][0], one[n][0]) for n in LAYERS)


def test_keys_are_one_per_cross_attention():
    assert keys_of(LAYERS) == ["b.to_k"]


def test_it_can_be_held_and_compared_as_an_object():
    one = edit(1, 0)
    assert one == one and one != edit(1, 0) and len({one, edit(1, 0)}) == 2
