"""Every node of the pack has a help page, and the front end shows it."""

import pytest
import requests

from dev.server import PACK

SELECT = """type => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    node.pos = [400, 300];
    app.graph.add(node);
    app.canvas.selectNode(node);
}"""


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


def test_the_front_end_shows_it(page, pages):
    """It falls back to a table made from the schema when it does not find the page."""
    for name, help_page in pages.items():
        title = help_page.text.strip().splitlines()[0].lstrip("# ")
        page.evaluate(SELECT, name)
        page.get_by_test_id("info-button").click()
        page.locator(".node-help-content").get_by_text(title, exact=True).first.wait_for(timeout=10_000)
    assert page.complaints == []
