"""Each block of subgraphs/ is found in the node search by its name, drops on the canvas, and runs."""

import pytest

from dev.host.pack_folder import PACK
from dev.workflows.picture import SHOW_CANVAS_ONLY
from dev.workflows.write import SUBGRAPHS
from tests.ui.canvas import NEVER_NAMED, open_workflow, run, screenshot, wait_for_pictures
from tests.ui.conftest import started

BLOCKS = sorted(SUBGRAPHS.glob("*.json"))
SMALL = {"images": 1, "steps": 4, "cfg": 4.0, "width": 64, "height": 64}
SETTLED = (
    1500  # milliseconds after which a search is open or has sorted its results, and a new node its place
)
COUNT = "() => app.graph._nodes.length"
DESCRIBE = """() => app.graph._nodes.map(node => ({
    title: node.title,
    inputs: node.inputs.map(each => each.name),
    outputs: node.outputs.map(each => each.name),
    widgets: Object.fromEntries(node.widgets.map(each => [each.name, each.value])),
}))"""
WIRE = """([links, values, named]) => {
    const [first, last] = app.graph._nodes;
    const make = (type, widgets, x, y) => {
        const node = LiteGraph.createNode(type);
        app.graph.add(node);
        node.pos = [x, first.pos[1] + y];
        for (const [name, value] of Object.entries(widgets))
            node.widgets.find(each => each.name === name).value = value;
        return node;
    };
    const blocks = Object.fromEntries(app.graph._nodes.map(node => [node.title, node]));
    for (const node of Object.values(blocks))
        for (const widget of node.widgets)
            if (widget.name in values) widget.value = values[widget.name];
    const left = first.pos[0] - 360, right = last.pos[0] + last.size[0] + 60;
    blocks.loader = make('CheckpointLoaderSimple', { ckpt_name: 'mace_mini_sd.safetensors' }, left, 0);
    blocks.latent = make('EmptyLatentImage', { width: 64, height: 64 }, left, 180);
    blocks.named = make('PrimitiveString', { value: named }, left, 360);
    blocks.images = make('PreviewImage', {}, right, 0);
    blocks.images.setSize([400, 560]);
    for (const [from, output, to, input] of links)
        blocks[from].connect(
            blocks[from].outputs.findIndex(each => each.name === output),
            blocks[to],
            blocks[to].inputs.findIndex(each => each.name === input));
}"""
ERASE, PREVIEW, PROVE = "Erase concepts (MACE)", "Erase concepts, preview (MACE)", "Prove it (MACE)"


@pytest.fixture
def canvas(browser, ui_host):
    """An empty graph on a page of its own, because search dialogs and selections outlive a graph."""
    page = started(browser, ui_host)
    open_workflow(page, {"nodes": [], "links": [], "version": 0.4, "last_node_id": 0, "last_link_id": 0})
    yield page
    page.close()


def drop(page, name: str, at: tuple[int, int]) -> None:
    """Double-click the canvas, type the name, press Enter; a newer front end then waits for a click."""
    there = page.evaluate(COUNT)
    for patience in (1, 2, 4):  # a busy machine needs longer until the search is open and sorted
        page.mouse.dblclick(*at)
        page.wait_for_timeout(patience * SETTLED)
        page.keyboard.type(name)
        page.wait_for_timeout(patience * SETTLED)
        page.keyboard.press("Enter")
        page.wait_for_timeout(patience * SETTLED)
        if page.evaluate(COUNT) > there:
            break
        page.keyboard.press("Escape")
    page.mouse.click(*at)
    page.wait_for_timeout(SETTLED)


def test_the_host_lists_them(ui_host):
    listed = [
        each for each in ui_host.client().get("/global_subgraphs").values() if PACK in str(each["info"])
    ]
    assert sorted(each["name"] for each in listed) == sorted(path.stem for path in BLOCKS)
    assert {path.stem for path in BLOCKS} == {ERASE, PREVIEW, PROVE}


def check_inputs(page) -> None:
    (block,) = page.evaluate(DESCRIBE)
    assert block["title"] == ERASE
    assert block["inputs"][:3] == ["model", "clip", "vae"]
    assert block["outputs"] == ["erased", "erasure", "concepts"]
    assert "ship -> sea" in block["widgets"]["concepts"]
    assert "cat" in block["widgets"]["preserve"]


@pytest.mark.parametrize("name", [ERASE, PREVIEW])
def test_one_is_dropped_with_its_inputs_and_proved_by_another(canvas, ui_host, name):
    drop(canvas, name, (600, 250))
    if name == ERASE:
        check_inputs(canvas)
    drop(canvas, PROVE, (1100, 250))
    links = [
        ("loader", "MODEL", name, "model"),
        ("loader", "CLIP", name, "clip"),
        *([("loader", "VAE", name, "vae")] if name == ERASE else []),
        ("loader", "MODEL", PROVE, "before"),
        (name, "erased", PROVE, "after"),
        ("loader", "CLIP", PROVE, "clip"),
        ("loader", "VAE", PROVE, "vae"),
        ("latent", "LATENT", PROVE, "latent"),
        (name, "concepts", PROVE, "concepts"),
        ("named", "STRING", PROVE, "never_named"),
        (PROVE, "grid", "images", "images"),
    ]
    canvas.evaluate(WIRE, [links, SMALL, NEVER_NAMED])
    run(canvas, ui_host)
    wait_for_pictures(canvas)
    assert canvas.complaints == []
    canvas.evaluate(SHOW_CANVAS_ONLY)  # no toast and no map over the picture
    screenshot(canvas, f"{name}, run")
