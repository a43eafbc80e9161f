"""How these tests run the graph on the canvas: once, however long the front end needs to queue it."""

import json

import pytest

from dev.workflows.to_ui import to_ui
from tests.ui.canvas import open_workflow, queue
from tests.ui.test_templates import TRIVIAL

SLOW = """() => {
    const make = app.graphToPrompt;
    app.graphToPrompt = async function (...given) {
        await new Promise(done => setTimeout(done, 1000));
        return make.apply(this, given);
    };
}"""
AS_BEFORE = "() => { delete app.graphToPrompt; }"


@pytest.fixture
def trivial(page, object_info) -> None:
    open_workflow(page, json.loads(json.dumps(to_ui(TRIVIAL, object_info))))


def test_a_slow_front_end_queues_once(page, trivial, ui_host):
    client = ui_host.client()
    before = client.get("/history").keys()
    page.evaluate(SLOW)
    try:
        run_id = queue(page)
    finally:
        page.evaluate(AS_BEFORE)
    client.wait(run_id)
    assert client.get("/history").keys() - before == {run_id}
