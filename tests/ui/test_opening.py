"""Each template opens from the template browser, and each template and block from a dropped file."""

import json
from pathlib import Path

import pytest

from dev.host.pack_folder import PACK
from dev.workflows.write import SUBGRAPHS, WORKFLOWS
from tests.ui.canvas import ALL_WELL, drop_file, opened, replaced, save_screenshot
from tests.ui.conftest import started

TEMPLATES = sorted(WORKFLOWS.glob("*.json"))
FILES = [*TEMPLATES, *sorted(SUBGRAPHS.glob("*.json"))]
NAMED = "name => app.extensionManager.workflow.activeWorkflow.filename.startsWith(name)"
NODES = "() => app.graph._nodes.map(node => [String(node.id), node.type])"
HAS_PICTURE = "card => [...card.querySelectorAll('img')].some(each => each.complete && each.naturalWidth)"


def stem(path: Path) -> str:
    return path.stem


def check_opened(page, path: Path, workflow: dict) -> None:
    page.wait_for_function(NAMED, arg=path.stem)  # with a number, if it is open already
    assert sorted(page.evaluate(NODES)) == sorted(
        [str(node["id"]), node["type"]] for node in workflow["nodes"]
    )
    assert opened(page) == ALL_WELL


@pytest.fixture
def ours(page):
    """The template browser, with the templates of this pack."""
    page.get_by_role("button", name="Templates").first.click()
    browser = page.get_by_role("dialog")
    browser.get_by_text(PACK[:15]).first.click()  # newer front ends shorten the name
    return browser


@pytest.mark.parametrize("template", TEMPLATES, ids=stem)
def test_a_template_opens_from_the_template_browser(page, ours, template):
    workflow = json.loads(template.read_text())
    card = ours.get_by_test_id(f"template-workflow-{template.stem}")
    card.scroll_into_view_if_needed()
    page.wait_for_function(HAS_PICTURE, arg=card.element_handle())
    if template == TEMPLATES[0]:
        save_screenshot(page, "template browser")
    with replaced(page, workflow):
        card.click()
    check_opened(page, template, workflow)


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_a_file_opens_when_it_is_dropped_on_the_canvas(page, path):
    workflow = json.loads(path.read_text())
    drop_file(page, path.name, workflow)
    check_opened(page, path, workflow)


def test_a_missing_node_and_a_missing_choice_are_noticed(browser, ui_host):
    """So the tests above can fail. On a page of its own, because errors outlive a workflow."""
    workflow = json.loads(TEMPLATES[0].read_text())
    nodes = {node["type"]: node for node in workflow["nodes"]}
    nodes["MACE_CrossAttnRefine"]["type"] = "MACE_NoSuchNode"
    nodes["CheckpointLoaderSimple"]["widgets_values"] = ["none.safetensors"]
    page = started(browser, ui_host)
    drop_file(page, "wrong.json", workflow)
    found = opened(page)
    page.close()
    assert {"MACE_NoSuchNode", "CheckpointLoaderSimple.ckpt_name"} <= set(found["faults"])
    assert found["alarms"]
