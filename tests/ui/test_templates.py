"""Every template opens in the real front end without errors, and runs."""

import json
from pathlib import Path

import pytest

from dev.host.pack_folder import PACK
from dev.workflows.to_api import to_api
from dev.workflows.to_ui import Node, Note, Out, Template, to_ui
from tests.ui.canvas import open_workflow, run, screenshot

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
TRIVIAL = Template(
    nodes=(
        Node("picture", "EmptyImage", at=(0, 0), inputs={"width": 16, "height": 16}),
        Node("noise", "RandomNoise", at=(0, 300), inputs={"noise_seed": 7}, control="fixed"),
        Node("save", "SaveImage", at=(680, 0), inputs={"images": Out("picture")}),
    ),
    notes=(Note("A note.", at=(0, 500)),),
)
PROMPT = "async () => (await app.graphToPrompt()).output"


@pytest.fixture(params=["trivial", *WORKFLOWS], ids=lambda each: getattr(each, "stem", each))
def workflow(request, object_info) -> dict:
    if request.param == "trivial":
        return json.loads(json.dumps(to_ui(TRIVIAL, object_info)))
    return json.loads(request.param.read_text())


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


def test_runs_to_the_end(page, workflow, ui_host, request):
    open_workflow(page, workflow)
    assert run(page, ui_host)["status"]["status_str"] == "success"
    assert page.complaints == []
    screenshot(page, request.node.callspec.id)


def test_the_template_browser_lists_them_with_pictures(ui_host):
    listed = ui_host.client().get("/workflow_templates").get(PACK, [])
    assert sorted(listed) == [path.stem for path in WORKFLOWS]
    assert [path.stem for path in WORKFLOWS if not path.with_suffix(".jpg").exists()] == []
