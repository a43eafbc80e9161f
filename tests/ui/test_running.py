"""What a user does with a run: watch it train, cancel it, and undo the erasure by bypassing a node."""

import io
import json
import re
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from dev.host.client import Interrupted
from dev.workflows.write import WORKFLOWS
from tests.ui.canvas import (
    ALL_WELL,
    SET,
    drop_file,
    make_small,
    opened,
    queue,
    run,
    save_screenshot,
    select,
    show_node,
    wait_for_pictures,
)

TEMPLATE = WORKFLOWS / "02_erase_one_concept.json"
TRAIN, APPLY = "MACE_TrainConceptLoRA", "MACE_ApplyErasedModel"
LONG = {TRAIN: {"steps": 2000, "method": "exact"}}
PROGRESS = "type => app.graph._nodes.find(node => node.type === type).progress"
GREW = "([type, from]) => app.graph._nodes.find(node => node.type === type).progress > from"
MODE = "([type, mode]) => app.graph._nodes.find(node => node.type === type).mode === mode"
SHOWS_IMAGES = "() => String(app.graph._nodes.find(node => node.type === 'PreviewImage').id)"
ACTIVE, BYPASSED = 0, 4
TIME_LEFT = re.compile(r"Train LoRA: ship, step \d+ of 2000, about \d+ (s|min) left")
CANCEL = {
    "the button": lambda page: page.get_by_role("button", name="Cancel current run").click(),
    "the keys": lambda page: page.keyboard.press("Control+Alt+Enter"),
}


@pytest.fixture(scope="module")
def before_and_after(front_end, ui_host) -> list[bytes]:
    """The image of a small run with the original model, and the one with the erased model."""
    front_end.bring_to_front()
    open_template(front_end)
    return pictures(front_end, ui_host)


@pytest.fixture
def training(page, ui_host) -> Iterator[str]:
    """The id of a run that is training its LoRA, and would do so for minutes."""
    open_template(page)
    page.evaluate(SET, LONG)
    run_id = queue(page)
    page.wait_for_function(GREW, arg=[TRAIN, 0])
    yield run_id
    client = ui_host.client()
    if not client.history(run_id):
        client.interrupt()
        with pytest.raises(Interrupted):
            client.wait(run_id)


def open_template(page) -> None:
    drop_file(page, TEMPLATE.name, json.loads(TEMPLATE.read_text()))
    make_small(page)


def pictures(page, host) -> list[bytes]:
    """Runs the graph; returns the pixels of the images that it shows."""
    ran = run(page, host)
    wait_for_pictures(page)
    shown = ran["outputs"][page.evaluate(SHOWS_IMAGES)]["images"]
    return [Image.open(io.BytesIO(host.client().image(each))).tobytes() for each in shown]


def bypass(page, mode: int) -> None:
    """Selects Apply Erased Model and presses the keys that bypass a node, or make it active again."""
    select(page, show_node(page, APPLY))
    page.keyboard.press("Control+B")
    page.wait_for_function(MODE, arg=[APPLY, mode])


def test_training_shows_its_progress_and_the_time_left(page, training):
    show_node(page, TRAIN)
    seen = [0.0]
    for _ in range(3):
        page.wait_for_function(GREW, arg=[TRAIN, seen[-1]])
        seen.append(page.evaluate(PROGRESS, TRAIN))
    assert seen[-1] < 1
    page.get_by_text(TIME_LEFT).first.wait_for()
    save_screenshot(page, "training")


@pytest.mark.parametrize("how", CANCEL)
def test_training_is_cancelled_from_the_interface(page, ui_host, before_and_after, training, how):
    started = time.monotonic()
    CANCEL[how](page)
    with pytest.raises(Interrupted):
        ui_host.client().wait(training)
    assert time.monotonic() - started < 10
    assert opened(page) == ALL_WELL
    save_screenshot(page, f"cancelled by {how}")
    open_template(page)
    assert pictures(page, ui_host) == before_and_after


def test_bypassing_the_node_undoes_the_erasure(page, ui_host, before_and_after):
    before, after = before_and_after
    assert before != after
    open_template(page)
    bypass(page, BYPASSED)
    assert pictures(page, ui_host) == [before, before]
    save_screenshot(page, "bypassed")
    bypass(page, ACTIVE)
    assert pictures(page, ui_host) == [before, after]
    assert page.complaints == []
