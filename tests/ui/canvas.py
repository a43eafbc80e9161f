"""What the browser tests do with the canvas: open a workflow, run it, keep a screenshot."""

from dev.host.fetch import REPOSITORY

SCREENSHOTS = REPOSITORY / ".cache" / "screenshots"
OPEN = """async workflow => {
    await app.loadGraphData(workflow, true, true, 'test');
    const nodes = app.graph._nodes;
    return {
        nodes: nodes.length,
        unknown: nodes.filter(n => n.has_errors || !LiteGraph.registered_node_types[n.type]).map(n => n.type),
    };
}"""

SHOW_ALL = """() => {
    app.canvas.deselectAll?.();  // a selected node hides parts of the texts around it
    const boxes = app.graph._nodes.map(node => [...node.pos, ...node.size]);
    const left = Math.min(...boxes.map(each => each[0])), top = Math.min(...boxes.map(each => each[1]));
    const width = Math.max(...boxes.map(each => each[0] + each[2])) - left;
    const height = Math.max(...boxes.map(each => each[1] + each[3])) - top;
    const { ds } = app.canvas, before = { scale: ds.scale, offset: [...ds.offset] };
    ds.scale = Math.min(1, (innerWidth - 160) / width, (innerHeight - 200) / height);
    ds.offset = [100 / ds.scale - left, 140 / ds.scale - top];
    app.canvas.setDirty(true, true);
    return before;
}"""
SHOW_AS_BEFORE = """({ scale, offset }) => {
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = offset;
    app.canvas.setDirty(true, true);
}"""


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
    before = page.evaluate(SHOW_ALL)
    page.wait_for_timeout(500)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.evaluate(SHOW_AS_BEFORE, before)
