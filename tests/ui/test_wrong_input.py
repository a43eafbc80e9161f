"""A wrong input: the front end marks the node, and shows the pack's own sentence to the user."""

import json
import re

import pytest

from dev.workflows.write import WORKFLOWS
from tests.ui.canvas import ALARM, drop_file, save_screenshot, show_node
from tests.ui.conftest import started

NODE = "MACE_EraseConcepts"
FIELD = """([type, name]) =>
    app.graph._nodes.find(node => node.type === type).widgets.find(each => each.name === name).element"""
# The outlines of nodes, besides the one of the selected node.
OUTLINED = """() => app.graph._nodes.filter(node =>
    Object.entries(node.strokeStyles).some(([name, style]) => /error/i.test(name) && style.call(node))
).map(node => node.type)"""
WRONG = {
    "in a line": (
        "concepts",
        "ship",
        "Line 1 'ship' does not have one target and one surrogate: write it as 'ship -> sea'.",
    ),
    "in the synonyms": (
        "synonyms",
        "cat: kitty",
        "Synonyms are given for 'cat', which is not in the list of concepts: use one of 'ship'.",
    ),
}


@pytest.fixture
def template(browser, ui_host):
    """The first template, on a page of its own, because errors outlive a workflow."""
    page = started(browser, ui_host)
    path = WORKFLOWS / "01_preview_in_seconds.json"
    drop_file(page, path.name, json.loads(path.read_text()))
    yield page
    page.close()


def type_into(page, field: str, text: str) -> None:
    page.evaluate_handle(FIELD, [NODE, field]).as_element().click()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def open_details(page) -> None:
    """1.32.9 shows the sentence in a dialog; 1.49.6 in a panel, behind a button if no run started."""
    page.locator(ALARM).first.wait_for()
    details = page.get_by_role("button", name="View details")
    if details.count():
        details.click()
        info = page.get_by_role("button", name=re.compile("^Info for Erase Concepts"))
        info.or_(page.get_by_text("Error log")).first.wait_for()
        if info.count():
            info.click()


@pytest.mark.parametrize("when", WRONG)
def test_a_wrong_input_shows_its_sentence_and_marks_its_node(template, when):
    field, text, sentence = WRONG[when]
    show_node(template, NODE)
    type_into(template, field, text)
    template.keyboard.press("Control+Enter")
    open_details(template)
    template.get_by_text(sentence).first.wait_for()
    assert template.evaluate(OUTLINED) == [NODE]
    save_screenshot(template, f"wrong input {when}")
