"""Attention maps per word: which positions attend to which word."""

import pytest
import torch

from mace_core.encoder.text_encoder import END_OF_TEXT
from mace_core.training.attention_maps import END, word_heat, words_of


class Letters:
    """A tokenizer with one token per letter."""

    def word_tokens(self, phrase):
        return tuple(ord(letter) for letter in phrase if letter != " ")


def tokens(*ids):
    return torch.tensor([0, *ids, END_OF_TEXT, END_OF_TEXT])


def test_words_have_their_tokens_and_the_end_has_the_padding():
    found = words_of(Letters(), "a  big b", tokens(*map(ord, "abigb")))
    assert found == (("a", slice(1, 2)), ("big", slice(2, 5)), ("b", slice(5, 6)), (END, slice(6, 8)))


def test_no_words_and_joined_words_are_refused():
    with pytest.raises(ValueError, match="no words"):
        words_of(Letters(), "  ", tokens())
    with pytest.raises(ValueError, match="'bc' .*not found"):
        words_of(Letters(), "a bc", tokens(97, 99, 98))


def test_an_embedding_has_no_words():
    with pytest.raises(ValueError, match="'a embedding:x' names a textual-inversion embedding.*plain words"):
        words_of(Letters(), "a embedding:x", tokens(97))


def test_heat_is_the_mean_over_layers_and_heads_and_adds_up_to_one():
    generator = torch.Generator().manual_seed(0)
    maps = [torch.rand(1, 2, places, 5, generator=generator).softmax(-1) for places in (16, 4)]
    words = [slice(0, 1), slice(1, 3), slice(3, 5)]
    heat = word_heat(maps, words, (4, 4))
    assert heat.shape == (1, 3, 4, 4)
    torch.testing.assert_close(heat.sum(1), torch.ones(1, 4, 4))
    only_large = word_heat(maps[:1], words, (4, 4))
    torch.testing.assert_close(only_large[0, 1].flatten(), maps[0][0, :, :, 1:3].sum(-1).mean(0))


def test_a_place_that_looks_at_a_word_is_hot_there_and_nowhere_else():
    looks = torch.zeros(1, 1, 16, 3)
    looks[..., 0] = 1
    looks[0, 0, 5] = torch.tensor([0.0, 1.0, 0.0])
    heat = word_heat([looks], [slice(1, 2)], (4, 4))
    assert heat[0, 0, 1, 1] == 1 and heat.sum() == 1
