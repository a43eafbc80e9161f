"""output/mace or ComfyUI's temp folder cannot be written to: no work is lost, and one sentence says so."""

import errno
import json
import os

import pytest
import torch

from tests.host.calls import draw, probe, score, small_graph, view
from tests.host.test_cache_faults import all_stages, told  # noqa: F401 - a fixture
from tests.host.test_command_line import TINY, carry_out, few, saved  # noqa: F401 - fixtures
from tests.rounding import identical

RECORD = "so the results are not saved there"
IMAGES = "so the images are not shown"


def count(comfy, graph, model):
    return comfy.shown("MACE_CountExposed", images=torch.zeros(1, 8, 8, 3), threshold=0.6)[0]


@pytest.fixture
def blocked(comfy, monkeypatch, tmp_path):
    """`blocked(what)`: the output or temp folder is inside a file."""
    import folder_paths

    def block(what: str) -> None:
        (tmp_path / what).touch()
        monkeypatch.setattr(folder_paths, f"{what}_directory", str(tmp_path / what / "x"))

    return block


@pytest.fixture
def full(monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("node", [score, probe, count])
def test_results_that_cannot_be_saved_are_shown(comfy, told, blocked, stand_in_detector, node):  # noqa: F811
    graph = small_graph(comfy)
    blocked("output")
    table, record, *_ = node(comfy, graph, graph.model)
    assert json.loads(record) and "|" in table
    assert len([text for text in told if RECORD in text]) == 1
    if node is not count:
        assert RECORD in table and "output/mace/" not in table


def test_a_full_disk_is_named_with_its_cure(comfy, told, full):  # noqa: F811
    graph = small_graph(comfy)
    table, *_ = score(comfy, graph, graph.model)
    sentence = (
        "The folder output/mace cannot be written to (the disk is full), so the results are not saved there: "
        "free some space on the disk."
    )
    assert sentence in table and f"Score: {sentence}" in told


def nodes_that_show_images(comfy, graph):
    drawn, _ = draw(comfy, graph)
    view(comfy, graph, graph.model)
    score(comfy, graph, graph.model)
    probe(comfy, graph, graph.model)
    return drawn


def test_images_that_cannot_be_shown_stop_no_node(comfy, told, blocked):  # noqa: F811
    graph, before, _ = all_stages(comfy)
    blocked("temp")
    _, after, _ = all_stages(comfy)
    assert all(identical(a.low_rank, b.low_rank) for a, b in zip(before, after, strict=True))
    nodes_that_show_images(comfy, graph)
    said = {text.partition(":")[0] for text in told if IMAGES in text}
    assert said == {"Draw concepts", "Mask concepts", "Train LoRA", "View attention", "Score", "Probe"}


@pytest.fixture(params=["score", "probe"])
def command(request, comfy, saved, few):  # noqa: F811
    """A call of this command."""
    options = {"score": [*TINY, *few], "probe": [*TINY, "--learning-steps", "0"]}[request.param]
    return lambda: carry_out(comfy, request.param, saved, *options)


def test_the_command_line_prints_what_it_cannot_save(blocked, command):
    blocked("output")
    found = command()
    assert found["record"] is None and found["images"] == []
    assert RECORD in found["text"] and "|" in found["text"]


def test_the_command_line_prints_figures_without_images(monkeypatch, command):
    from PIL import Image

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    found = command()
    assert found["record"] and found["images"] == [] and "|" in found["text"]
