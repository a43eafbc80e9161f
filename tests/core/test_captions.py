"""Captions to preserve: built-in, from names and from files; a prior's memory does not grow with them."""

import json

import pytest
import torch

from mace_core.concepts.caption_files import numbered_captions, read_captions
from mace_core.concepts.captions import captions_of_names, everyday_captions
from mace_core.concepts.kinds import KINDS
from mace_core.refinement.prior import prior_from_captions, weighted
from tests.core.toy import ToyTextEncoder

COCO = {"images": [], "annotations": [{"id": 1, "caption": "A dog\nruns."}, {"id": 2, "caption": "A cat. "}]}
FILES = {
    "a.txt": "A dog runs.\n\nA cat.\n",
    "a.json": json.dumps(COCO),
    "list.json": '["A dog runs.", "A cat."]',
    "a.csv": 'id,caption\n1,"A dog runs."\n2,A cat.\n',
    "plain.csv": "A dog runs.\nA cat.\n",
    "PROMPTS.CSV": "\ufeffPrompt,seed\nA dog runs.,1\nA cat.,2\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files(name):
    assert read_captions(FILES[name].encode(), name) == ("A dog runs.", "A cat.")


LINES = {
    "a.txt": [1, 3],
    "a.json": [1, 2],
    "list.json": [1, 2],
    "a.csv": [2, 3],
    "plain.csv": [1, 2],
    "PROMPTS.CSV": [2, 3],
}


@pytest.mark.parametrize("name", FILES)
def test_the_place_of_each_caption(name):
    """Lines, or the entries of a JSON list, which can all stand on one line."""
    read = list(numbered_captions(FILES[name].encode(), name))
    assert [number for number, _ in read] == LINES[name]
    assert tuple(caption for _, caption in read) == read_captions(FILES[name].encode(), name)


def test_the_line_of_a_cell_that_spans_lines():
    text = 'caption\n"a\ndog"\na cat\n'
    assert list(numbered_captions(text.encode(), "a.csv")) == [(2, "a\ndog"), (4, "a cat")]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.txt", "\n \n", "no captions"),
        ("a.csv", "caption\n", "no captions"),
        ("a.json", "[\n'a']", "line 2 .*not JSON"),
        ("a.json", "7", "neither COCO"),
        ("a.json", '{"annotations": [{"bbox": 1}]}', "neither COCO"),
        ("a.xml", "<a/>", "extensions"),
    ],
)
def test_what_cannot_be_read(name, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_captions(text.encode(), name)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_other_encodings(name):
    with pytest.raises(ValueError, match="not UTF-8"):
        read_captions("ch\u00e2teau".encode("latin-1"), name)


def test_names_are_kept_in_prompts_of_their_kind():
    captions = captions_of_names("horse\n\nPerson: Jo Doe\ncow")
    assert list(captions) == ["object", "person"] and captions_of_names(" \n") == {}
    assert {"a photo of the horse", "the horse in winter", "a photo of the cow"} <= set(captions["object"])
    assert "the face of Jo Doe" in captions["person"]
    assert all(len(each) == len(set(each)) > 20 for each in captions.values())
    assert all(len(captions_of_names(f"{kind}: x")[kind]) > 20 for kind in ("explicit", "style"))
    with pytest.raises(ValueError, match="Line 2 .*'colour: red'"):
        captions_of_names("horse\ncolour: red")


@pytest.mark.parametrize("look", ("black and white", "sepia", "watercolour", "painting", "pencil"))
def test_names_to_keep_preserve_no_look_that_may_be_erased(look):
    captions = captions_of_names("\n".join(f"{kind}: X" for kind in KINDS))
    assert captions.keys() == KINDS.keys()
    assert not [caption for each in captions.values() for caption in each if look in caption]


def test_our_own_captions_are_many_distinct_and_always_the_same():
    captions = everyday_captions()
    assert len(captions) == len(set(captions)) > 700 and captions == everyday_captions()
    assert all(len(caption.split()) < 20 and caption == " ".join(caption.split()) for caption in captions)


def test_a_prior_of_many_captions_needs_no_more_memory(monkeypatch):
    """At most one batch is encoded at a time, and the prior holds a single matrix."""
    encoder, batches = ToyTextEncoder(context_length=30), []
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda prompts: batches.append(len(prompts)) or encode(prompts))
    prior = prior_from_captions(encoder, everyday_captions()[:200])
    assert sum(batches) == 200 and max(batches) <= 32 and prior.P.shape == (32, 32)


def test_weights_multiply():
    encoder = ToyTextEncoder(context_length=30)
    prior = prior_from_captions(encoder, ["a cat", "a dog"])
    assert torch.equal(weighted(prior, 3.0).P, prior.P * 3)
    for wrong in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="weight of the prior"):
            weighted(prior, wrong)
