"""A cancelled run stops within a step and leaves the MODEL unchanged."""

import time

import pytest

from dev.host.client import Interrupted
from tests.host.graphs import MODEL, all_stages, base, draw, picture, probe, score

LONG = {
    "drawing": ("drawn", lambda: all_stages(), {"steps": 200, "images": 8}),
    "scoring": ("score", lambda: all_stages() | score(), {"steps": 200, "images": 8}),
    "probing": ("probe", lambda: all_stages() | probe(), {"learning_steps": 10000}),
    "training": ("train", lambda: all_stages(), {"steps": 10000}),
}


@pytest.fixture(scope="module")
def before(client) -> bytes:
    return picture(client, client.run(base() | draw("plain", MODEL)), "plain")


@pytest.mark.parametrize("case", LONG)
def test_cancel_stops_within_a_step_and_the_queue_works_again(client, before, case):
    name, prompt, settings = LONG[case]
    prompt = prompt() | draw("out", ["apply", 0])
    prompt[name]["inputs"].update(settings)
    cancelled = []

    def cancel(event):
        if event.kind == "progress" and event.node == name and event.value > 8 and not cancelled:
            cancelled.append(time.monotonic())
            client.interrupt()

    with pytest.raises(Interrupted, match=name):
        client.run(prompt, cancel)
    assert time.monotonic() - cancelled[0] < 5
    assert picture(client, client.run(base() | draw("plain", MODEL, again=1)), "plain") == before
    short = all_stages() | draw("out", ["apply", 0])
    assert picture(client, client.run(short), "out") != before


def test_a_cancelled_node_says_so_and_promises_no_end(comfy, monkeypatch):
    from comfy.model_management import InterruptProcessingException, interrupt_current_processing

    progress, said = comfy.module("nodes.host.progress"), []
    monkeypatch.setattr(progress, "_listener", said.append)
    for kind in (progress.Progress, progress.TimedProgress):
        running = kind("Train LoRA", 9)
        running.step("ship")
        interrupt_current_processing()
        with pytest.raises(InterruptProcessingException):
            running.step("ship")
        assert said[-1] == "Train LoRA: cancelled"


def test_progress_names_stage_and_concept(host, client):
    client.run(all_stages(steps=5) | draw("out", ["apply", 0]))
    log = host.log.read_text(errors="replace")
    for line in (
        "Draw concepts: ship",
        "Refine cross-attention: ship",
        "Train LoRA: ship",
        "Fuse Concept LoRAs: 1 of 1",
    ):
        assert line in log
