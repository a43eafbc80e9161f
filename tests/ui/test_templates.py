"""Every template opens in the real front end without errors, and runs."""

import json
from pathlib import Path

import pytest

from dev.host.pack_folder import PACK
from dev.workflows.to_api import to_api
from dev.workflows.to_ui import Node, Note, Out, Template, to_ui

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
TRIVIAL = Template(
    nodes=(
        Node("picture", "EmptyImage", at=(0, 0), inputs={"width": 16, "height": 16}),
        Node("noise", "RandomNoise", at=(0, 300), inputs={"noise_seed": 7}, control="fixed"),
        Node("save", "SaveImage", at=(680, 0), inputs={"images": Out("picture")}),
    ),
    notes=(Note("A note.", at=(0, 500)),),
)
OPEN = """async workflow => {
    await app.loadGraphData(workflow, true, true, 'test');
    const nodes = app.graph._nodes;
    return {
        nodes: nodes.length,
        unknown: nodes.filter(n => n.has_errors || !LiteGraph.registered_node_types[n.type]).map(n => n.type),
    };
}"""
PROMPT = "async () => (await app.graphToPrompt()).output"


@pytest.fixture(params=["trivial", *WORKFLOWS], ids=lambda each: getattr(each, "stem", each))
def workflow(request, object_info) -> dict:
    if request.param == "trivial":
        return json.loads(json.dumps(to_ui(TRIVIAL, object_info)))
    return json.loads(request.param.read_text())


def open_workflow(page, workflow: dict) -> dict:
    opened = page.evaluate(OPEN, workflow)
    page.wait_for_timeout(500)  # dialogs about missing nodes and models appear with a delay
    opened["dialogs"] = page.locator(".p-dialog").all_inner_texts()
    return opened


def test_opens_without_a_complaint(page, workflow):
    opened = open_workflow(page, workflow)
    assert opened["nodes"] == len(workflow["nodes"])
    assert opened["unknown"] == []
    assert opened["dialogs"] == []
    assert page.complaints == []


def test_the_front_end_makes_the_same_prompt_as_our_conversion(page, workflow, object_info):
    open_workflow(page, workflow)
    theirs = page.evaluate(PROMPT)
    assert {name: node["inputs"] for name, node in to_api(workflow, object_info).items()} == {
        name: node["inputs"] for name, node in theirs.items()
    }


def test_runs_to_the_end(page, workflow, ui_host):
    open_workflow(page, workflow)
    before = set(ui_host.client().get("/history"))
    page.evaluate("app.queuePrompt(0, 1)")
    prompt_id = wait_for_prompt(ui_host, before)
    assert ui_host.client().wait(prompt_id)["status"]["status_str"] == "success"
    assert page.complaints == []


def test_the_template_browser_lists_them_with_pictures(ui_host):
    listed = ui_host.client().get("/workflow_templates").get(PACK, [])
    assert sorted(listed) == [path.stem for path in WORKFLOWS]
    assert [path.stem for path in WORKFLOWS if not path.with_suffix(".jpg").exists()] == []


def wait_for_prompt(host, before: set) -> str:
    """The id of the only prompt that the browser has queued."""
    client = host.client()
    while True:
        queue = client.get("/queue")
        running = [entry[1] for entry in queue["queue_running"] + queue["queue_pending"]]
        new = [each for each in (*running, *client.get("/history")) if each not in before]
        if new:
            return new[0]
