"""What the browser tests do with the canvas: open a workflow, run it, keep a screenshot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from dev.host.fetch import REPOSITORY
from dev.workflows.picture import BOUNDS, FIT

SCREENSHOTS = REPOSITORY / ".cache" / "screenshots"
OPEN = "workflow => app.loadGraphData(workflow, true, true, 'test')"
DROP = """([name, text]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], name, { type: 'application/json' }));
    const canvas = document.querySelector('#graph-canvas');
    for (const type of ['dragenter', 'dragover', 'drop'])
        canvas.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
}"""
AGE = "() => { for (const node of app.graph._nodes) node.fromBefore = true; }"
REPLACED = "count => app.graph._nodes.length === count && !app.graph._nodes.some(node => node.fromBefore)"
FAULTS = """() => [app.graph, ...app.graph.subgraphs.values()].flatMap(graph => graph._nodes.flatMap(node => {
    const known = node.isSubgraphNode?.() || LiteGraph.registered_node_types[node.type];
    const choices = each => typeof each === 'function' ? each() : each;
    const red = (node.widgets ?? []).filter(each =>
        each.type === 'combo' && !choices(each.options.values).includes(each.value));
    const marked = known && !node.has_errors ? [] : [node.type];
    return [...marked, ...red.map(each => `${node.type}.${each.name}`)];
}))"""
SMALL = {
    "EmptyLatentImage": {"batch_size": 1},
    "KSampler": {"steps": 8},
    "MACE_DrawConcepts": {"images": 2, "steps": 8},
    "MACE_ScoreErasure": {"images": 1, "steps": 4},
    "MACE_ViewAttention": {"steps": 4},
    "MACE_ProbeErasure": {"images": 1, "steps": 4, "learning_steps": 2},
}
SET = """settings => {
    for (const node of app.graph._nodes)
        for (const [name, value] of Object.entries(settings[node.type] ?? {}))
            node.widgets.find(each => each.name === name).value = value;
}"""
NEVER_NAMED = "watermelon"  # instead of the default of thirty names, which tests/e2e scores
NAME = """text => {
    for (const score of app.graph._nodes.filter(node => node.type === 'MACE_ScoreErasure')) {
        const named = LiteGraph.createNode('PrimitiveString');
        named.pos = [score.pos[0], score.pos[1] + score.size[1] + 60];
        app.graph.add(named);
        named.widgets[0].value = text;
        named.connect(0, score, score.inputs.findIndex(each => each.name === 'never_named'));
    }
}"""
# Where a front end reports errors: 1.32.9 in a dialog, 1.49.6 in an overlay, for missing nodes too.
ALARM = "[role=dialog], [data-testid=error-overlay]"
ALL_WELL = {"faults": [], "alarms": [], "complaints": []}
LOADED = """() => app.graph._nodes.every(({ type, imgs }) => !['PreviewImage', 'SaveImage'].includes(type) ||
    imgs?.length && imgs.every(each => each.complete && each.naturalWidth))"""
SHOW = """type => {
    const [x, y] = app.graph._nodes.find(node => node.type === type).pos;
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [900 - x, 300 - y];  // beside panels that an earlier test has opened
    app.canvas.setDirty(true, true);
    return app.canvasPosToClientPos([x + 60, y - 12]);
}"""
DRAWN = "() => app.canvas.visible_nodes?.length"
SELECTED = "() => Object.keys(app.canvas.selected_nodes).length"
CLICKS = 10
DESELECT = "app.canvas.deselectAll?.()"  # a selected node hides parts of the texts around it
PLACE = "[...app.canvas.ds.offset.map(each => -each), app.canvas.ds.scale]"
MARGIN, MENU = (100, 60), 140  # pixels to the left and right; above, where the menu is
MILLISECONDS_TO_QUEUE = 180_000


def open_workflow(page, workflow: dict) -> None:
    """Opens a workflow without the interface; test_opening.py opens all of ours with it."""
    with replaced(page, workflow):
        page.evaluate(OPEN, workflow)


def drop_file(page, name: str, workflow: dict) -> None:
    """Drops a workflow's file on the canvas, and waits until it is open."""
    with replaced(page, workflow):
        page.evaluate(DROP, [name, json.dumps(workflow)])


@contextmanager
def replaced(page, workflow: dict) -> Iterator[None]:
    """Ends when the nodes on the canvas are those of `workflow`, and not those from before."""
    page.evaluate(AGE)
    yield
    page.wait_for_function(REPLACED, arg=len(workflow["nodes"]))


def opened(page) -> dict:
    """What is wrong with the workflow that was just opened: `ALL_WELL` if nothing.

    faults: nodes that are missing or marked, and choices that do not exist, also inside blocks.
    """
    page.wait_for_timeout(500)  # alarms about missing nodes and models appear with a delay
    return {
        "faults": page.evaluate(FAULTS),
        "alarms": page.locator(ALARM).all_inner_texts(),
        "complaints": page.complaints,
    }


def make_small(page) -> None:
    """Fewer images, steps and names, the same in every test, so that tests share cached results."""
    page.evaluate(SET, SMALL)
    page.evaluate(NAME, NEVER_NAMED)


def run(page, host) -> dict:
    """What the server remembers of a run of the graph on the canvas."""
    return host.client().wait(queue(page))


def queue(page) -> str:
    """Presses the keys that run the graph on the canvas, once; returns the id of the run.

    The browser tells the server's answer, so another run is never taken for this one.
    """
    with page.expect_response(is_queued, timeout=MILLISECONDS_TO_QUEUE) as answered:
        page.keyboard.press("Control+Enter")
    assert answered.value.ok, answered.value.text()
    return answered.value.json()["prompt_id"]


def is_queued(answer) -> bool:
    return answer.request.method == "POST" and urlsplit(answer.url).path == "/api/prompt"


def wait_for_pictures(page) -> None:
    """Until each Preview Image shows its images. The nodes of the stages are not waited for: those of
    template 3 load theirs in `make workflow-pictures`, but not here, and nobody knows why."""
    with all_in_view(page):  # nodes out of view do not load their images
        page.wait_for_function(LOADED)


def show_node(page, node_type: str) -> list[float]:
    """Brings a node into view; returns the position of its title on the page."""
    return page.evaluate(SHOW, node_type)


def select(page, title: list[float]) -> None:
    """Clicks a node's title: newer front ends react to nothing else, and miss clicks while starting up."""
    page.wait_for_function(DRAWN)  # a click before that is on the empty canvas
    for _ in range(CLICKS):
        page.mouse.click(*title)
        page.wait_for_timeout(200)
        if page.evaluate(SELECTED):
            return
        page.wait_for_timeout(800)  # a double click would rename the node, or open the search
        page.keyboard.press("Escape")
    raise TimeoutError(f"no node is selected after {CLICKS} clicks on its title")


def screenshot(page, name: str) -> None:
    """Keeps a picture of the whole graph, to be looked at."""
    page.wait_for_timeout(1000)  # previews arrive and nodes grow
    page.evaluate(DESELECT)
    with all_in_view(page):
        page.wait_for_timeout(500)
        save_screenshot(page, name)


def save_screenshot(page, name: str) -> None:
    """Keeps what the browser shows: .cache/screenshots/NAME.png."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)  # no tooltip over the picture
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@contextmanager
def all_in_view(page) -> Iterator[None]:
    """Shows the whole graph, and afterwards the part that was in view."""
    before, (left, top, width, height) = page.evaluate(PLACE), page.evaluate(BOUNDS)
    shown = page.viewport_size
    scale = min(1, (shown["width"] - sum(MARGIN)) / width, (shown["height"] - MENU - MARGIN[1]) / height)
    page.evaluate(FIT, [left - MARGIN[0] / scale, top - MENU / scale, scale])
    yield
    page.evaluate(FIT, before)
