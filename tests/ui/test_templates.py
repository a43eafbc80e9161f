"""Every template runs in the real front end and shows its images there."""

import json

import pytest

from dev.workflows.to_api import to_api
from dev.workflows.to_ui import Node, Note, Out, Template, to_ui
from dev.workflows.write import WORKFLOWS
from tests.ui.canvas import make_small, open_workflow, run, screenshot, wait_for_pictures

TEMPLATES = sorted(WORKFLOWS.glob("*.json"))
TRIVIAL = Template(
    nodes=(
        Node("picture", "EmptyImage", at=(0, 0), inputs={"width": 16, "height": 16}),
        Node("noise", "RandomNoise", at=(0, 300), inputs={"noise_seed": 7}, control="fixed"),
        Node("save", "SaveImage", at=(680, 0), inputs={"images": Out("picture")}),
    ),
    notes=(Note("A note.", at=(0, 500)),),
)
PROMPT = "async () => (await app.graphToPrompt()).output"


@pytest.fixture(params=["trivial", *TEMPLATES], ids=lambda each: getattr(each, "stem", each))
def workflow(request, object_info) -> dict:
    if request.param == "trivial":
        return json.loads(json.dumps(to_ui(TRIVIAL, object_info)))
    return json.loads(request.param.read_text())


def test_the_front_end_makes_the_same_prompt_as_our_conversion(page, workflow, object_info):
    open_workflow(page, workflow)
    theirs = page.evaluate(PROMPT)
    assert {name: node["inputs"] for name, node in to_api(workflow, object_info).items()} == {
        name: node["inputs"] for name, node in theirs.items()
    }


def test_runs_and_shows_its_pictures(page, workflow, ui_host, request):
    """With fewer images and steps: `make package` and `make workflow-pictures` run them as they are."""
    open_workflow(page, workflow)
    make_small(page)
    run(page, ui_host)
    wait_for_pictures(page)
    assert page.complaints == []
    screenshot(page, request.node.callspec.id)
