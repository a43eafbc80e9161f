"""`make help-pictures`: runs workflows in the real front end, and cuts out each node for its help page.

A picture shows one node after a run, with nodes that it is wired to folded beside it.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from playwright.sync_api import Page

from dev.host.fetch import REPOSITORY
from dev.host.server import Host
from dev.workflows.parts import MODEL, loader
from dev.workflows.picture import OPEN, new_pages, run, save, shot
from dev.workflows.to_ui import Node, Out, Template, to_ui
from dev.workflows.write import WORKFLOWS

PICTURES = REPOSITORY / "web" / "docs" / "images"
LOADER = "Load Checkpoint"
MARGIN, QUALITY = 8, 75
ALONE = (  # for nodes that no template has
    Node("images", "LoadImageDataSetFromFolder", (0, 0)),
    loader(),
    Node("set", "MACE_TrainingSetFromImages", (0, 0), {"images": Out("images"), "vae": Out("loader", "VAE")}),
    Node("train", "MACE_TrainConceptLoRA", (0, 0), {"training_set": Out("set")}),
    Node("decode", "VAEDecode", (0, 0), {"vae": Out("loader", "VAE")}),
    Node("count", "MACE_CountExposed", (0, 0), {"images": Out("decode")}),
    Node("load", "MACE_LoadErasure", (0, 0)),
    Node("apply", "MACE_ApplyErasedModel", (0, 0), {"model": MODEL, "erasure": Out("load")}),
)


@dataclass(frozen=True)
class Shot:
    """page: the node's id without MACE_. source: the template to run, or none for ALONE, which does not run.

    Nodes are named by their titles: those `before` and `after` are folded, the one `below` is shown in full.
    A height of 0 is the least that the node needs. Pictures are narrow, because help panels are.
    """

    page: str
    title: str
    source: str
    before: tuple[str, ...] = ()
    size: tuple[int, int] = (270, 0)
    after: tuple[str, ...] = ()
    below: str = ""
    below_size: tuple[int, int] = (0, 0)


ALL, EXPORTS = "02_erase_one_concept", "08_export_for_other_programs"
EVIDENCE, ATTACKS = "09_score_and_attention", "10_probe_an_erasure"
FOLDER = "Load Image Dataset from Folder"
CONCEPTS, PRIOR, REFINE = "Erase Concepts", "Preserve Prior", "Cross-Attention Refinement"
DRAW, MASK, TRAIN, FUSE = "Draw Concepts", "Mask Concepts", "Train Concept LoRA", "Fuse Concept LoRAs"
APPLY, SAVE = "Apply Erased Model", "Save Erasure"
SHOTS = (
    Shot("EraseConcepts", CONCEPTS, ALL, (), (270, 0), (REFINE, DRAW, TRAIN)),
    Shot("PreservePrior", PRIOR, ALL, (LOADER,), (270, 380)),
    Shot("CrossAttnRefine", REFINE, ALL, (LOADER, CONCEPTS, PRIOR)),
    Shot("DrawConcepts", DRAW, ALL, (LOADER, CONCEPTS), (270, 540)),
    Shot("MaskConcepts", MASK, ALL, (DRAW,), (270, 500)),
    Shot("TrainConceptLoRA", TRAIN, ALL, (REFINE, LOADER, CONCEPTS, MASK), (270, 530)),
    Shot("FuseLoRAs", FUSE, ALL, (LOADER, REFINE, TRAIN, PRIOR)),
    Shot("ApplyErasedModel", APPLY, ALL, (LOADER, FUSE), (270, 170)),
    Shot("SaveErasure", SAVE, ALL, (FUSE,)),
    Shot("ExportErasure", "Export Erasure: LoRA", EXPORTS, (LOADER, REFINE), (290, 320)),
    Shot("SuggestSurrogate", "Suggest Surrogate", EVIDENCE, (LOADER,), (300, 560)),
    Shot("ViewAttention", "View Attention", EVIDENCE, (), (420, 540)),
    Shot("ScoreErasure", "Score Erasure", EVIDENCE, (), (340, 640), (), "Scores", (340, 310)),
    Shot("ProbeErasure", "Probe Erasure", ATTACKS, (), (340, 860)),
    Shot("TrainingSetFromImages", "Training Set From Images", "", (FOLDER, LOADER)),
    Shot("CountExposed", "Count Exposed", "", ("VAE Decode",)),
    Shot("LoadErasure", "Load Erasure", "", (), (270, 0), (APPLY,)),
)
ARRANGE = """([before, titles, after, sizes]) => {
    const [graph, gap, away] = [app.graph, 28, -99999];
    const everything = window.everything ??= {
        nodes: graph._nodes, titles: graph._nodes.map(node => node.title), cut: [] };
    for (const [input, link] of everything.cut.splice(0)) input.link = link;
    for (const each of [...graph._groups]) graph.remove(each);
    for (const each of [...graph.reroutes.keys()]) graph.removeReroute(each);
    const find = title => everything.nodes[everything.titles.indexOf(title)];
    const shown = titles.map(find), columns = [before.map(find), after.map(find)];
    const kept = [...shown, ...columns.flat()];
    everything.nodes.forEach((node, number) => {
        const title = everything.titles[number];  // folded nodes show 20 letters of it
        const fits = shown.includes(node) || title.length <= 20;
        node.title = fits ? title : title.replace(/^(.{1,16}) .*/, '$1 ...');
        node.badges = [];
        if (shown.includes(node) === !!node.flags.collapsed) node.collapse();
        if (!kept.includes(node)) node.pos = [away, away];
    });
    const drawn = link => {
        const ends = [link.origin_id, link.target_id].map(id => graph.getNodeById(id));
        const inFull = ends.filter(node => shown.includes(node));
        return ends.every(node => kept.includes(node)) && inFull.length === 1;  // a wire down would loop
    };
    for (const input of kept.flatMap(node => node.inputs ?? []))
        if (input.link && !drawn(graph.links.get(input.link))) {
            everything.cut.push([input, input.link]);
            input.link = null;
        }
    graph._nodes = kept;
    shown.forEach((node, number) => {
        const [width, height] = sizes[number];
        node.setSize([width, height || node.computeSize()[1]]);
    });
    app.canvas.linkMarkerShape = 0;  // no dots on the wires
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 60];
    app.canvas.draw(true, true);  // measures the folded nodes
    let x = 0;
    const stack = nodes => {
        nodes.forEach((node, row) => node.pos = [x, 12 + row * 50]);
        if (nodes.length) x += Math.max(...nodes.map(n => n._collapsed_width)) + gap;
    };
    stack(columns[0]);
    let y = 0;
    for (const node of shown) { node.pos = [x, y]; y += node.size[1] + 50; }
    x += shown[0].size[0] + gap;
    stack(columns[1]);
}"""


def cut_out(page: Page, wanted: Shot) -> None:
    titles, sizes = [wanted.title], [wanted.size]
    if wanted.below:
        titles, sizes = [*titles, wanted.below], [*sizes, wanted.below_size]
    page.evaluate(ARRANGE, [wanted.before, titles, wanted.after, sizes])
    page.wait_for_timeout(500)
    save(shot(page, 1, MARGIN), PICTURES / f"MACE_{wanted.page}.jpg", QUALITY)


def sources(names: tuple[str, ...]) -> Iterator[tuple[str, list[Shot]]]:
    """Each workflow with its pictures, those of ALONE last."""
    wanted = [each for each in SHOTS if not names or each.page in names]
    yield from ((source, list(shots)) for source, shots in groupby(wanted, lambda each: each.source))


def main(*names: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    with Host(front_end=True) as host, new_pages(host) as new_page:
        (host.base / "models" / "mace" / "ship_to_sea_00001.safetensors").touch()  # for Load Erasure to list
        alone = to_ui(Template(ALONE), host.client().object_info())
        for source, shots in sources(names):
            page = new_page()
            if source:
                run(page, host, json.loads((WORKFLOWS / f"{source}.json").read_text()))
            else:
                page.evaluate(OPEN, alone)
            for wanted in shots:
                cut_out(page, wanted)
            page.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
