"""Token alignment with the phrase at the start, in the middle and at the end, with SD1 and SD2 padding."""

import pytest
import torch

from mace_core.encoder.alignment import align, end_token, find_phrase, locate
from mace_core.encoder.text_encoder import END_OF_TEXT
from tests.core.toy import START, ToyTextEncoder


def tokens(words, padding, length=12):
    row = [START, *words, END_OF_TEXT]
    return torch.tensor(row + [padding] * (length - len(row)))


def aligned(target, phrase, surrogate, surrogate_phrase, padding):
    a, b = tokens(target, padding), tokens(surrogate, padding)
    f, g = align(a, find_phrase(a, phrase), b, find_phrase(b, surrogate_phrase))
    return f.tolist(), g.tolist()


@pytest.mark.parametrize("padding", [END_OF_TEXT, 0], ids=["sd1", "sd2"])
@pytest.mark.parametrize(
    "target, phrase, surrogate, surrogate_phrase, f, g",
    [
        # at the start of the prompt: "7 1 2" against "8 1 2"
        ([7, 1, 2], [7], [8, 1, 2], [8], [0, 2, 3, *range(4, 12)], [0, 2, 3, *range(4, 12)]),
        # in the middle
        ([1, 7, 2], [7], [1, 8, 2], [8], [0, 1, 3, *range(4, 12)], [0, 1, 3, *range(4, 12)]),
        # at the end
        ([1, 2, 7], [7], [1, 2, 8], [8], [0, 1, 2, *range(4, 12)], [0, 1, 2, *range(4, 12)]),
        # on its own
        ([7], [7], [8], [8], [0, *range(2, 12)], [0, *range(2, 12)]),
        # the surrogate phrase is longer, so its padding is two tokens shorter
        ([1, 7, 2], [7], [1, 8, 9, 8, 2], [8, 9, 8], [0, 1, 3, *range(4, 10)], [0, 1, 5, *range(6, 12)]),
        # the target phrase is longer
        ([1, 7, 6, 2], [7, 6], [1, 8, 2], [8], [0, 1, 4, *range(5, 12)], [0, 1, 3, *range(4, 11)]),
    ],
)
def test_positions(target, phrase, surrogate, surrogate_phrase, f, g, padding):
    assert aligned(target, phrase, surrogate, surrogate_phrase, padding) == (f, g)


@pytest.mark.parametrize("padding", [END_OF_TEXT, 0], ids=["sd1", "sd2"])
def test_a_prompt_without_padding(padding):
    row = list(range(1, 11))
    f, g = aligned(row, [3], row, [3], padding)
    assert f == g == [i for i in range(12) if i != 3]


def test_the_end_token_is_the_first_one_after_the_phrase():
    assert end_token(tokens([1, 7], END_OF_TEXT), slice(2, 3)) == 3
    assert end_token(tokens([1, 7], 0), slice(2, 3)) == 3
    with pytest.raises(ValueError, match="no end-of-text token"):
        end_token(torch.tensor([START, 1, 7, 0]), slice(2, 3))


def test_finding_a_phrase():
    row = tokens([1, 7, 7, 8, 7, 8], 0)
    assert find_phrase(row, [7, 8]) == slice(3, 5)
    assert find_phrase(row, (7, 8), start=4) == slice(5, 7)
    for missing in ([9], [8, 8], []):
        with pytest.raises(ValueError, match="not found"):
            find_phrase(row, missing)


def test_a_word_that_occurs_before_the_phrase_is_not_the_phrase():
    encoder = ToyTextEncoder()
    prompt = "art print in the style of art"
    row = encoder.encode([prompt]).tokens[0]
    assert locate(encoder, row, prompt, "art", before="art print in the style of ") == slice(7, 8)
    assert locate(encoder, row, prompt, "art") == slice(1, 2)


def test_a_phrase_that_is_not_there_is_named_with_its_prompt():
    encoder = ToyTextEncoder()
    row = encoder.encode(["the sea"]).tokens[0]
    with pytest.raises(ValueError, match=r"'ship'.*not found"):
        locate(encoder, row, "the sea", "ship")
