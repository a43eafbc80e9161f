"""What the browser tests do with the canvas: open a workflow, run it, keep a screenshot."""

from dev.host.fetch import REPOSITORY
from dev.workflows.picture import BOUNDS, FIT

SCREENSHOTS = REPOSITORY / ".cache" / "screenshots"
OPEN = """async workflow => {
    await app.loadGraphData(workflow, true, true, 'test');
    const nodes = app.graph._nodes;
    return {
        nodes: nodes.length,
        unknown: nodes.filter(n => n.has_errors || !LiteGraph.registered_node_types[n.type]).map(n => n.type),
    };
}"""
DESELECT = "app.canvas.deselectAll?.()"  # a selected node hides parts of the texts around it
PLACE = "[...app.canvas.ds.offset.map(each => -each), app.canvas.ds.scale]"
MARGIN, MENU = (100, 60), 140  # pixels to the left and right; above, where the menu is


def open_workflow(page, workflow: dict) -> dict:
    opened = page.evaluate(OPEN, workflow)
    page.wait_for_timeout(500)  # dialogs about missing nodes and models appear with a delay
    opened["dialogs"] = page.locator(".p-dialog").all_inner_texts()
    return opened


def run(page, host) -> dict:
    """What the server remembers of a run of the graph on the canvas."""
    before = set(host.client().get("/history"))
    page.evaluate("app.queuePrompt(0, 1)")
    return host.client().wait(wait_for_prompt(host, before))


def wait_for_prompt(host, before: set) -> str:
    """The id of the only prompt that the browser has queued."""
    client = host.client()
    while True:
        queue = client.get("/queue")
        running = [entry[1] for entry in queue["queue_running"] + queue["queue_pending"]]
        new = [each for each in (*running, *client.get("/history")) if each not in before]
        if new:
            return new[0]


def screenshot(page, name: str) -> None:
    """Keeps what the browser shows, to be looked at: .cache/screenshots/NAME.png."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(1000)  # previews arrive and nodes grow
    page.mouse.move(0, 0)  # no tooltip over the picture
    page.evaluate(DESELECT)
    before, (left, top, width, height) = page.evaluate(PLACE), page.evaluate(BOUNDS)
    shown = page.viewport_size
    scale = min(1, (shown["width"] - sum(MARGIN)) / width, (shown["height"] - MENU - MARGIN[1]) / height)
    page.evaluate(FIT, [left - MARGIN[0] / scale, top - MENU / scale, scale])
    page.wait_for_timeout(500)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.evaluate(FIT, before)
