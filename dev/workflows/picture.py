"""`make workflow-pictures`: runs each template in the real front end and saves a screenshot.

The screenshots go beside the templates, with the same name, where the host's template browser looks for them.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright

from dev.host.server import Host
from dev.workflows.write import WORKFLOWS

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
WIDTH, SECONDS = 1600, 600
SCALE = 0.75  # at a much smaller scale the front end hides the texts
READY = "() => window.LiteGraph?.registered_node_types?.['MACE_EraseConcepts'] && window.app?.graph"
OPEN = "async workflow => { await app.loadGraphData(workflow, true, true, 'template'); }"
RUN = "async () => { await app.queuePrompt(0, 1); }"
BOUNDS = """() => {
    const folded = node => node.flags.collapsed;
    const boxes = [...app.graph._nodes.map(n => [n.pos[0], n.pos[1] - 30,
                       folded(n) ? n._collapsed_width : n.size[0], folded(n) ? 30 : n.size[1] + 30]),
                   ...app.graph._groups.map(g => [...g._bounding]),
                   ...[...app.graph.reroutes.values()].map(r => [r.pos[0] - 15, r.pos[1] - 15, 30, 30])];
    const left = Math.min(...boxes.map(b => b[0])), top = Math.min(...boxes.map(b => b[1]));
    return [left, top, Math.max(...boxes.map(b => b[0] + b[2])) - left,
            Math.max(...boxes.map(b => b[1] + b[3])) - top];
}"""
FIT = """([left, top, scale]) => {
    app.canvas.show_info = false;
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [-left, -top];
    app.canvas.setDirty(true, true);
}"""
SHOW_CANVAS_ONLY = """() => {
    for (const button of document.querySelectorAll('.close-button')) button.style.display = 'none';
    const canvas = document.querySelector('#graph-canvas');
    for (let each = canvas; each && each !== document.body; each = each.parentElement)
        for (const other of each.parentElement.children)
            if (!other.contains(canvas) && !other.querySelector('.dom-widget'))
                other.style.visibility = 'hidden';
}"""


def run(page: Page, host: Host, workflow: dict) -> None:
    """Open a workflow in the front end and run it. Raises if a node failed."""
    page.evaluate(OPEN, workflow)
    client = host.client()
    known = set(client.get("/history"))
    page.evaluate(RUN)
    while not (new := set(client.get("/history")) - known):
        page.wait_for_timeout(500)
    for prompt_id in new:
        client.wait(prompt_id, SECONDS)
    page.wait_for_timeout(1500)  # previews arrive, nodes grow


def shot(page: Page, scale: float = SCALE, margin: int = 0) -> Image.Image:
    """Everything on the canvas, and nothing else."""
    left, top, width, height = page.evaluate(BOUNDS)
    size = {"width": width + 2 * margin, "height": height + 2 * margin}
    page.set_viewport_size({side: int(length * scale) for side, length in size.items()})
    page.evaluate(FIT, [left - margin, top - margin, scale])
    page.evaluate(SHOW_CANVAS_ONLY)
    page.wait_for_timeout(1000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(picture: Image.Image, path: Path, quality: int = 82) -> None:
    picture.save(path, quality=quality, optimize=True)


def only_local(route: Route) -> None:
    if "127.0.0.1" in route.request.url:
        route.continue_()
    else:
        route.abort()


@contextmanager
def new_pages(host: Host) -> Iterator[Callable[[], Page]]:
    """A browser; each call opens a page with the host's front end, ready for a workflow."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, headless=True, args=list(FLAGS)
        )
        context.route("**/*", only_local)

        def new_page() -> Page:
            page = context.new_page()
            page.set_viewport_size({"width": WIDTH, "height": WIDTH})
            page.goto(host.url)
            page.wait_for_function(READY)
            page.wait_for_load_state("networkidle")
            return page

        yield new_page
        context.close()


def main(*names: str) -> None:
    templates = [path for path in sorted(WORKFLOWS.glob("*.json")) if not names or path.stem in names]
    with Host(front_end=True) as host, new_pages(host) as new_page:
        for template in templates:
            page = new_page()
            run(page, host, json.loads(template.read_text()))
            whole = shot(page)
            height = round(WIDTH * whole.height / whole.width)
            save(whole.resize((WIDTH, height), Image.LANCZOS), template.with_suffix(".jpg"))
            page.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
