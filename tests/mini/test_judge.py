"""The bundled judge is a standard CLIP folder."""

import shutil

import pytest
import torch

from dev.host.launch import make_importable
from dev.miniature.tokens import word_tokens
from dev.miniature.world import load_world
from mace_core.evaluation.judge import Judge
from mini.vocabulary import JUDGE
from tests.rounding import apart


@pytest.fixture(scope="module")
def judge() -> Judge:
    make_importable()
    return Judge.load(JUDGE)


def test_its_small_vocabulary_splits_words_as_clip_does(judge):
    from dev.miniature.tokens import tokenizer

    for thing in load_world().things:
        full = tokenizer().convert_ids_to_tokens(word_tokens(f"a photo of the {thing.name}"))
        assert judge.tokens.tokenize(f"a photo of the {thing.name}") == full


def test_probabilities_are_over_the_names_and_do_not_depend_on_the_batch(judge):
    images = torch.rand(70, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    names = ["cat", "ship", "Mira Vance", "sea"]
    together = judge.probabilities(images, names)
    assert together.shape == (70, 4)
    torch.testing.assert_close(together.sum(-1), torch.ones(70))
    # the cosines round to about 1e-6, and the softmax scales them by 35
    assert apart(judge.probabilities(images[66:67], names)[0], together[66]) < 1e-4
    assert apart(together[66], together[65]) > 1e-2


def test_larger_pictures_are_shrunk_to_what_it_reads(judge):
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    small, large = (
        torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").permute(0, 2, 3, 1)
        for side in (64, 256)
    )
    names = ["cat", "ship", "sea"]
    shrunk = judge.probabilities(large, names)
    torch.testing.assert_close(shrunk, judge.probabilities(small, names), atol=0.05, rtol=0)


def test_a_folder_without_a_model_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="config.json, model.safetensors"):
        Judge.load(tmp_path)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("config.json", b"", "'config.json' in 'judge' is no JSON object"),
        ("config.json", b"[]", "is no JSON object"),
        ("config.json", b"\xff", "is no JSON object"),
        ("config.json", b"[" * 100_000, "is no JSON object"),
        ("config.json", b" " * (2**20 + 1), "has 1 MB and a file of settings can have 1"),
        ("config.json", b'{"model_type": "t5\\n"}', r"type 't5\\n', which cannot be a judge"),
        ("preprocessor_config.json", b"{}", "no image_mean and image_std"),
        ("preprocessor_config.json", b'{"image_mean": 7, "image_std": ["a"]}', "no image_mean and image_std"),
        ("model.safetensors", b"x", "cannot be read"),
    ],
)
def test_a_damaged_folder_is_refused_in_a_sentence(tmp_path, name, content, said):
    make_importable()
    folder = shutil.copytree(JUDGE, tmp_path / "judge")
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        Judge.load(folder)
    assert str(error.value).isprintable() and str(error.value).endswith(".")
