"""What nodes show: reports as text, and results that come back after the page is reloaded.

The front end shows no `ui` text on nodes of packs, only the text that they send while they run.
"""

import pytest
import torch

from tests.host.graphs import CHECKPOINT, apply, base, draw, stage_1, stages_2_and_3, training_set

SHOWING = ("drawn", "masked", "train", "apply")


def test_a_second_run_sends_them_again(client, object_info):
    """The second run computes nothing, so only what the host sends again is on the page."""
    stages = base() | stage_1() | training_set() | stages_2_and_3(method="fast")
    graph = stages | apply("apply", ["fuse", 0]) | draw("after", ["apply", 0])
    first = client.run(graph)
    assert set(SHOWING) < set(first)
    again = client.run(graph)
    if not any("has_intermediate_output" in schema for schema in object_info.values()):
        assert not set(SHOWING) & set(again), "this host does not support it"
        return
    assert {name: again.get(name) for name in SHOWING} == {name: first[name] for name in SHOWING}


@pytest.fixture
def told(comfy, monkeypatch) -> list[str]:
    """The texts that nodes in this process send."""
    sent = []
    monkeypatch.setattr(comfy.module("nodes.host.progress"), "_listener", sent.append)
    return sent


def test_suggest_surrogate_shows_its_report(comfy, told):
    _, clip, _ = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    report, _ = comfy.call("MACE_SuggestSurrogate", clip=clip, targets="ship -> sea", kind="object")
    assert told[-1].endswith(report)


def test_count_exposed_shows_its_counts(comfy, told, stand_in_detector):
    text, _ = comfy.call("MACE_CountExposed", images=[torch.rand(1, 8, 8, 3)], threshold=[0.6])
    assert told[-1].endswith(text)
