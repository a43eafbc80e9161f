"""Weights that are stored smaller than the host expects are padded without changing their function."""

import torch

from dev.miniature.vae import MiniVAE
from mini.checkpoint import full_vocabulary, widened


def test_untaught_tokens_share_the_last_row():
    rows = torch.randn(3, 4)
    table = full_vocabulary(rows, torch.tensor([5, 40000]))
    assert torch.equal(table[5], rows[0])
    assert torch.equal(table[40000], rows[1])
    assert torch.equal(table[7], rows[2])
    assert table.shape == (49408, 4)


def test_the_autoencoder_is_padded_to_64_channels_except_pictures_and_latents():
    narrow = MiniVAE().state_dict()
    wide = widened(dict(narrow))
    assert wide["taesd_encoder.0.weight"].shape == (64, 3, 3, 3)
    assert wide["taesd_encoder.14.weight"].shape == (4, 64, 3, 3)
    assert wide["taesd_decoder.1.weight"].shape == (64, 4, 3, 3)
    assert wide["taesd_decoder.19.weight"].shape == (3, 64, 3, 3)
    for key, value in narrow.items():
        assert torch.equal(wide[key][tuple(slice(n) for n in value.shape)], value)
        assert wide[key].count_nonzero() == value.count_nonzero()


def test_weights_of_another_autoencoder_pass_unchanged():
    weights = {"encoder.conv_in.weight": torch.zeros(2, 2)}
    assert widened(weights) == weights
