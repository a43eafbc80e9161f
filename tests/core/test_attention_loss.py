"""The stage 2 loss (equation 3), checked against explicit sums and finite differences."""

import pytest
import torch

from mace_core.encoder.text_encoder import END_OF_TEXT
from mace_core.training.attention_loss import attention_losses, suppressed_positions
from mace_core.training.attention_maps import layer_size, resize_masks


def random_layers(batch=2, heads=3, L=5, sizes=(16, 4), seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, heads, n, L, generator=g).softmax(-1) for n in sizes]


MASKS = torch.tensor([[[1.0, 0, 0, 0]] * 4, [[0, 0.5, 1, 1]] * 4])
SUPPRESSED = torch.tensor([[False, True, False, False, False], [False, False, True, True, False]])


@pytest.mark.parametrize("loss, power", [("squared", 1.0), ("norm", 0.5)])
def test_the_sum_written_out(loss, power):
    layers = random_layers()
    totals = [0.0, 0.0]
    for A, side in zip(layers, (4, 2), strict=True):
        for b in range(2):
            cells = MASKS[b].unfold(0, 4 // side, 4 // side).unfold(1, 4 // side, 4 // side).mean((2, 3))
            for i in SUPPRESSED[b].nonzero().flatten():
                masked = [A[b, head, :, i].view(side, side) * cells for head in range(A.shape[1])]
                totals[b] += sum(m.square().sum() for m in masked) ** power
    result = attention_losses(layers, SUPPRESSED, MASKS, (4, 4), loss)
    assert result.tolist() == pytest.approx([total.item() for total in totals], 1e-5)


@pytest.mark.parametrize("loss", ["squared", "norm"])
def test_gradient_against_finite_differences(loss):
    A = random_layers(batch=1, heads=2, L=3, sizes=(4,))[0].double().requires_grad_()

    def value(A):  # the loss is float32: scale up and use a large difference
        return attention_losses([A], torch.tensor([[True, False, True]]), MASKS[1:], (2, 2), loss)[0].double()

    [gradient] = torch.autograd.grad(value(A), A)
    for index in [(0, 0, 1, 0), (0, 1, 2, 2), (0, 1, 3, 0), (0, 0, 0, 1)]:
        step = torch.zeros_like(A)
        step[index] = 1e-2
        difference = (value(A + step) - value(A - step)) / 2e-2
        assert gradient[index].item() == pytest.approx(difference.item(), abs=2e-3)


def test_an_empty_mask_has_a_finite_gradient():
    A = random_layers(sizes=(16,))[0].requires_grad_()
    attention_losses([A], SUPPRESSED, torch.zeros(2, 4, 4), (4, 4), "norm").sum().backward()
    assert A.grad.abs().max() == 0


@pytest.mark.parametrize(
    "latent, sizes",
    [
        ((64, 64), [(64, 64), (32, 32), (16, 16), (8, 8)]),
        ((8, 8), [(8, 8), (4, 4), (2, 2)]),
        ((96, 64), [(96, 64), (48, 32), (24, 16), (12, 8)]),
        ((9, 13), [(9, 13), (5, 7), (3, 4)]),  # sizes are halved and rounded up
    ],
)
def test_layer_sizes_keep_the_shape_of_the_latent(latent, sizes):
    assert [layer_size(h * w, latent) for h, w in sizes] == sizes


@pytest.mark.parametrize("pixels", [0, 10, 5000])
def test_a_layer_of_another_shape(pixels):
    with pytest.raises(ValueError, match=f"{pixels} positions.*64 x 64"):
        layer_size(pixels, (64, 64))


def test_masks_are_averaged_over_the_cells():
    mask = torch.zeros(1, 8, 16)
    mask[0, :4, :4] = 1
    assert resize_masks(mask, (2, 4)).tolist() == [[1, 0, 0, 0, 0, 0, 0, 0]]
    assert resize_masks(mask, (1, 2)).tolist() == [[0.25, 0]]


@pytest.mark.parametrize("padding, end", [(END_OF_TEXT, [3, 4, 5]), (0, [3])], ids=["sd1", "sd2"])
def test_suppressed_positions(padding, end):
    tokens = torch.tensor([49406, 7, 8, END_OF_TEXT, padding, padding])
    assert suppressed_positions(tokens, slice(1, 3)).nonzero().flatten().tolist() == [1, 2]
    assert suppressed_positions(tokens, slice(2, 3), True).nonzero().flatten().tolist() == [2, *end]
