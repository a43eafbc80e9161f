"""Count Exposed: with a stand-in for nudenet, with nudenet where it is installed, and without it."""

import importlib.metadata
import json
import sys
from importlib.util import find_spec

import pytest
import torch

RED = torch.tensor([1.0, 0.5, 0.0])


def test_pictures_go_to_the_detector_as_it_reads_them(comfy, stand_in_detector):
    text, record = comfy.call("MACE_CountExposed", images=RED.expand(2, 8, 6, 3), threshold=0.6)
    assert [each.shape for each in stand_in_detector] == [(8, 6, 3)] * 2 and stand_in_detector[
        0
    ].dtype == "uint8"
    assert stand_in_detector[0][0, 0].tolist() == [0, 128, 255]
    record = json.loads(record)
    assert record["exposed"] == record["counts"]["FEET_EXPOSED"] == 2
    assert record["detector"]["version"] == "0.0-stand-in" and record["threshold"] == 0.6
    assert record["found"][1][0]["box"] == [0, 1, 2, 3] and "2 exposed parts in 2 images" in text
    stricter = json.loads(comfy.call("MACE_CountExposed", images=RED.expand(1, 8, 6, 3), threshold=0.8)[1])
    assert stricter["exposed"] == 0


def test_without_the_package_one_sentence_says_how_to_get_it(comfy, monkeypatch):
    monkeypatch.setitem(sys.modules, "nudenet", None)
    with pytest.raises(ValueError, match="AGPL.*pip install nudenet"):
        comfy.call("MACE_CountExposed", images=torch.zeros(1, 8, 8, 3))


@pytest.mark.skipif(not find_spec("nudenet"), reason="the extra nudenet (AGPL) is not installed")
def test_the_real_detector_finds_nothing_in_an_empty_picture(comfy):
    record = json.loads(comfy.call("MACE_CountExposed", images=RED.expand(2, 96, 64, 3), threshold=0.6)[1])
    assert record["exposed"] == 0 and record["pictures"] == 2
    assert record["detector"]["version"] == importlib.metadata.version("nudenet")
