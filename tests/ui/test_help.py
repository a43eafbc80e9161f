"""Every node of the pack has a help page, and the front end displays it."""

import pytest
import requests

from dev.host.pack_folder import PACK
from tests.ui.canvas import select
from tests.ui.conftest import MILLISECONDS

# adds a node to the canvas and returns the position of its title on the page
PLACE = """type => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    node.pos = [400, 300];
    app.graph.add(node);
    return app.canvasPosToClientPos([node.pos[0] + 60, node.pos[1] - 12]);
}"""
# whether the picture of the node's help page has arrived; a picture that is missing has no width
PICTURED = """name => [...document.querySelectorAll('.node-help-content img')].some(
    each => each.complete && each.naturalWidth > 0 && each.src.endsWith(`/docs/images/${name}.jpg`))"""


@pytest.fixture(scope="module")
def our_nodes(object_info) -> list[str]:
    names = sorted(name for name in object_info if name.startswith("MACE_"))
    assert names, "the server did not load the pack"
    return names


@pytest.fixture(scope="module")
def pages(our_nodes, ui_host) -> dict[str, requests.Response]:
    address = f"{ui_host.url}/extensions/{PACK}/docs"
    return {name: requests.get(f"{address}/{name}.md", timeout=30) for name in our_nodes}


def test_there_is_a_page_for_each_node(pages):
    assert [name for name, page in pages.items() if not page.ok or not page.text.strip()] == []


def help_button(page):
    """The button in the toolbox of the selected node: by name or, where it has none (1.32.9), by id."""
    return page.get_by_role("button", name="Node Info").or_(page.get_by_test_id("info-button")).first


def test_the_front_end_shows_it_with_its_picture(page, pages):
    """Without a help page, the front end would show a table made from the schema."""
    for name, help_page in pages.items():
        title = help_page.text.strip().splitlines()[0].lstrip("# ")
        select(page, page.evaluate(PLACE, name))
        help_button(page).click()
        page.locator(".node-help-content").get_by_text(title, exact=True).first.wait_for(timeout=MILLISECONDS)
        page.wait_for_function(PICTURED, arg=name, timeout=MILLISECONDS)
    assert page.complaints == []
