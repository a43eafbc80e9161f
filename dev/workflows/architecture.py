"""`python -m dev.workflows.architecture`: draws docs/architecture.png, nodes by stage above rooms.

What is drawn is data: GROUPS, NODES, ARROWS, ROOMS and CORE. tests/dev/test_architecture.py compares it with
the schemas of the nodes and with the table in tests/test_rooms.py.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dev.host.fetch import REPOSITORY
from dev.workflows.sheet import (
    EDGE,
    LABEL,
    NAME,
    PAPER,
    ROW,
    SOFT,
    Box,
    Point,
    Sheet,
    Way,
    chips_width,
    font,
    in_lines,
)

PICTURE = REPOSITORY / "docs" / "architecture.png"
WIDTH, HEIGHT = 1600, 1126
GREY, BLUE, GREEN, SAND, VIOLET, ROSE = "#f3f4f6", "#eaf2fb", "#eaf5ed", "#fbf3e6", "#f3eefa", "#fbeeed"


@dataclass(frozen=True)
class Node:
    """takes: what it gets without an arrow, as chips; wide: name and chips side by side."""

    box: Box
    takes: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Arrow:
    """What travels along `path` from one node to another, and where these words are, if they are drawn."""

    source: str
    target: str
    what: str
    path: Way
    at: Point | None = None


GROUPS = (  # title, box, colour, note
    ("You give", (20, 24, 172, 728), GREY, ""),
    ("Concepts, prior", (206, 24, 394, 486), GREY, ""),
    ("Stage 1: refine", (544, 24, 1064, 142), BLUE, "one matrix T for all layers"),
    ("Stage 2: train", (544, 176, 1064, 512), GREEN, "one LoRA per concept"),
    ("Stage 3: fuse", (544, 558, 1064, 676), SAND, "all concepts in one edit"),
    ("Erasure file", (1190, 224, 1346, 676), VIOLET, ""),
    ("Use", (1400, 24, 1568, 246), VIOLET, ""),
    ("Evidence", (1400, 272, 1568, 728), ROSE, ""),
)
NODES = {
    "Suggest Surrogate": Node((218, 64, 382, 154), ("CLIP",)),
    "Erase Concepts": Node((218, 222, 382, 278)),
    "Preserve Prior": Node((218, 384, 382, 470), ("CLIP",)),
    "Cross-Attention Refinement": Node((560, 68, 1048, 126), ("MODEL", "CLIP"), wide=True),
    "Draw Concepts": Node((560, 220, 752, 304), ("MODEL", "CLIP", "VAE")),
    "Mask Concepts": Node((856, 220, 1048, 304)),
    "Training Set From Images": Node((560, 388, 752, 496), ("IMAGE", "VAE")),
    "Train Concept LoRA": Node((856, 400, 1048, 484), ("CLIP", "concepts")),
    "Fuse Concept LoRAs": Node((560, 602, 1048, 660), ("CLIP",), wide=True),
    "Load Erasure": Node((1202, 264, 1334, 320)),
    "Save Erasure": Node((1202, 604, 1334, 660)),
    "Export Erasure": Node((1412, 64, 1556, 134), ("MODEL",)),
    "Apply Erased Model": Node((1412, 144, 1556, 236), ("MODEL",)),
    "Score Erasure": Node((1412, 312, 1556, 412), ("MODEL", "CLIP", "VAE", "concepts")),
    "Probe Erasure": Node((1412, 422, 1556, 522), ("MODEL", "CLIP", "VAE", "concepts")),
    "View Attention": Node((1412, 532, 1556, 632), ("MODEL", "CLIP", "VAE")),
    "Count Exposed": Node((1412, 642, 1556, 716), ("IMAGE",)),
}
ERASE, PRIOR, REFINE = "Erase Concepts", "Preserve Prior", "Cross-Attention Refinement"
DRAW, MASK, OWN, TRAIN = "Draw Concepts", "Mask Concepts", "Training Set From Images", "Train Concept LoRA"
SAVE, LOAD, APPLY, EXPORT = "Save Erasure", "Load Erasure", "Apply Erased Model", "Export Erasure"
FUSE, SCORE, PROBE, VIEW = "Fuse Concept LoRAs", "Score Erasure", "Probe Erasure", "View Attention"
UP, DOWN = 1376, 1584  # where erasures go up to Use, and the erased MODEL down to Evidence
ARROWS = (
    Arrow("Suggest Surrogate", ERASE, "list", ((300, 154), (300, 222)), (300, 184)),
    Arrow(PRIOR, REFINE, "prior", ((382, 427), (500, 427), (500, 108), (560, 108)), (500, 180)),
    Arrow(PRIOR, FUSE, "prior", ((500, 427), (500, 631), (560, 631)), (500, 530)),
    Arrow(ERASE, REFINE, "concepts", ((382, 250), (436, 250), (436, 84), (560, 84)), (436, 150)),
    Arrow(ERASE, DRAW, "concepts", ((436, 250), (436, 262), (560, 262))),
    Arrow(DRAW, MASK, "training set", ((752, 262), (856, 262)), (798, 262)),
    Arrow(MASK, TRAIN, "training set", ((952, 304), (952, 400)), (952, 347)),
    Arrow(OWN, TRAIN, "training set", ((752, 442), (856, 442)), (798, 442)),
    Arrow(TRAIN, FUSE, "concept LoRAs", ((952, 484), (952, 602)), (952, 535)),
    Arrow(REFINE, TRAIN, "refined MODEL", ((1048, 110), (1106, 110), (1106, 442), (1048, 442)), (1106, 262)),
    Arrow(REFINE, FUSE, "erasure", ((1152, 84), (1152, 618), (1048, 618)), (1152, 400)),
    Arrow(REFINE, EXPORT, "erasure (preview)", ((1048, 84), (1412, 84)), (1264, 84)),
    Arrow(FUSE, SAVE, "erasure", ((1048, 640), (1202, 640)), (1106, 640)),
    Arrow(FUSE, EXPORT, "erasure", ((1172, 640), (1172, 702), (UP, 702), (UP, 84), (1412, 84)), (1268, 702)),
    Arrow(FUSE, APPLY, "erasure", ((UP, 190), (1412, 190))),
    Arrow(LOAD, APPLY, "erasure", ((1334, 292), (UP, 292), (UP, 190), (1412, 190))),
    Arrow(APPLY, SCORE, "erased MODEL", ((1556, 190), (DOWN, 190), (DOWN, 362), (1556, 362))),
    Arrow(APPLY, PROBE, "erased MODEL", ((DOWN, 362), (DOWN, 472), (1556, 472))),
    Arrow(APPLY, VIEW, "erased MODEL", ((DOWN, 472), (DOWN, 582), (1556, 582))),
)
CROSSING = (500, 262)  # of the prior and the concepts
GIVES = (  # top and bottom of the box, words, chips
    (82, 136, ("targets",), ()),
    (218, 282, ("concept list", "ship -> sea"), ()),
    (395, 459, ("captions or", "names"), ()),
    (500, 590, ("checkpoint",), ("MODEL", "CLIP", "VAE")),
    (600, 662, ("images",), ("IMAGE",)),
)

ROOMS = {  # left and right edge, what is in it
    "nodes.reports": (40, 215, "images and tables"),
    "nodes": (265, 440, "one file per node"),
    "nodes.work": (490, 665, "steps nodes share"),
    "nodes.cluster": (715, 890, "workers on Ray"),
    "nodes.host": (940, 1140, "only it imports comfy"),
    "demo": (1170, 1275, "make demo"),
    "dev": (1315, 1420, "measures"),
    "mace_erase": (1460, 1580, "commands"),
}
TOP, BOTTOM = 868, 932  # of these rooms
ROOM_ARROWS = {
    ("nodes", "nodes.reports"): ((265, 900), (215, 900)),
    ("nodes", "nodes.work"): ((440, 900), (490, 900)),
    ("nodes.work", "nodes.cluster"): ((665, 900), (715, 900)),
    ("nodes.cluster", "nodes.host"): ((890, 900), (940, 900)),
    ("nodes.work", "nodes.host"): ((577, BOTTOM), (577, 944), (1010, 944), (1010, BOTTOM)),
    ("nodes", "nodes.host"): ((352, BOTTOM), (352, 956), (1070, 956), (1070, BOTTOM)),
    ("nodes.reports", "nodes.work"): ((160, TOP), (160, 846), (577, 846), (577, TOP)),
    ("nodes.reports", "nodes.host"): ((95, TOP), (95, 824), (1040, 824), (1040, TOP)),
    ("demo", "dev"): ((1275, 900), (1315, 900)),
    ("dev", "mace_erase"): ((1420, 900), (1460, 900)),
    ("demo", "mace_erase"): ((1222, TOP), (1222, 846), (1520, 846), (1520, TOP)),
}
BARS = {  # left, right, top, bottom, colour, what is in it
    "mini": (245, 1580, 968, 1008, ROSE, "the bundled miniature"),
    "mace_core": (
        20,
        1580,
        1018,
        1106,
        BLUE,
        "the paper, torch only; each part imports only parts to its left",
    ),
}
CORE = "version files concepts encoder refinement training erasure presets evaluation attacks".split()


def stands_on(room: str) -> set[str]:
    """The bars below the whole width of a room or bar."""
    left, right, top = (*ROOMS[room][:2], TOP) if room in ROOMS else BARS[room][:3]
    return {name for name, bar in BARS.items() if bar[0] <= left and right <= bar[1] and top < bar[2]}


def draw_node(sheet: Sheet, name: str, node: Node) -> None:
    left, top, right, bottom = node.box
    sheet.box(node.box, PAPER, EDGE)
    if node.wide:
        sheet.text((left + 20, (top + bottom) / 2), name, NAME, anchor="lm")
        sheet.chips((right - 20 - chips_width(list(node.takes)), top, right - 18, bottom), node.takes)
        return
    lines = in_lines(name, NAME, right - left - 4)
    y = top + 10 if node.takes else (top + bottom - ROW * len(lines)) / 2
    for i, line in enumerate(lines):
        sheet.text(((left + right) / 2, y + ROW * (i + 0.5)), line, NAME)
    if node.takes:
        sheet.chips((left + 4, y + ROW * len(lines), right - 4, bottom - 4), node.takes)


def draw_given(sheet: Sheet) -> None:
    for top, bottom, words, chips in GIVES:
        sheet.box((32, top, 160, bottom), PAPER, radius=8)
        first = top + 18 if chips else (top + bottom - ROW * (len(words) - 1)) / 2
        for i, line in enumerate(words):
            sheet.text((96, first + ROW * i), line, NAME)
        sheet.chips((34, first + 13, 158, bottom - 3), chips)
        if not chips:
            sheet.line(((160, (top + bottom) / 2), (218, (top + bottom) / 2)))
    for i, line in enumerate(("chips: inputs", "without arrow")):
        sheet.text((96, 686 + 21 * i), line, LABEL, SOFT)


def draw_flow(sheet: Sheet) -> None:
    """The upper part: from what users give to the evidence."""
    for title, box, colour, note in GROUPS:
        sheet.box(box, colour, radius=14)
        sheet.titled((box[0] + 14, box[1] + 22), title, note)
    for arrow in ARROWS:
        if (arrow.source, arrow.target) == (ERASE, DRAW):  # passes over the prior
            sheet.box((CROSSING[0] - 7, CROSSING[1] - 8, CROSSING[0] + 7, CROSSING[1] + 8), PAPER, radius=0)
        sheet.line(arrow.path)
        (x, y), (left, _, right, bottom) = arrow.path[0], NODES[arrow.source].box
        if x not in (left, right) and y != bottom:  # it branches off another arrow
            sheet.dot((x, y))
    for arrow in filter(lambda arrow: arrow.at, ARROWS):
        sheet.label(arrow.at, arrow.what)
    for name, node in NODES.items():
        draw_node(sheet, name, node)


def draw_file(sheet: Sheet) -> None:
    """The sheet of paper between Save Erasure and Load Erasure."""
    sheet.line(((1268, 604), (1268, 540)))
    sheet.line(((1268, 392), (1268, 320)))
    sheet.shape(((1214, 392), (1300, 392), (1322, 414), (1322, 540), (1214, 540)), PAPER)
    sheet.shape(((1300, 392), (1300, 414), (1322, 414)), VIOLET)
    for i, line in enumerate(("T", "U, D", "concepts", "settings")):
        sheet.text((1268, 432 + 26 * i), line, LABEL)


def draw_rooms(sheet: Sheet) -> None:
    """The lower part: the rooms of the source, and which of them can import which."""
    sheet.titled(
        (20, 780), "Source folders", "Each can import where its arrows point, and the bars below it."
    )
    for name, (left, right, top, bottom, colour, note) in BARS.items():
        sheet.box((left, top, right, bottom), colour)
        sheet.titled((left + 20, top + 20), name, note)
    for path in ROOM_ARROWS.values():
        sheet.line(path)
    for room, (left, right, note) in ROOMS.items():
        sheet.box((left, TOP, right, BOTTOM), GREEN if room[:5] == "nodes" else GREY, EDGE)
        sheet.text(((left + right) / 2, TOP + 20), room.replace(".", "/"), NAME)
        sheet.text(((left + right) / 2, TOP + 45), note, LABEL, SOFT)
    gap = (1520 - sum(font(NAME).getlength(room) + 24 for room in CORE)) / (len(CORE) - 1)
    x, (top, bottom) = 40, (1064, 1096)
    for room in CORE:
        width = font(NAME).getlength(room) + 24
        sheet.box((x, top, x + width, bottom), PAPER, EDGE, 8)
        sheet.text((x + width / 2, (top + bottom) / 2), room, NAME)
        x += width + gap


def picture() -> Sheet:
    sheet = Sheet(WIDTH, HEIGHT)
    draw_flow(sheet)
    draw_given(sheet)
    draw_file(sheet)
    draw_rooms(sheet)
    return sheet


def main(to: Path = PICTURE) -> None:
    picture().reduced().quantize(128, dither=Image.Dither.NONE).save(to, optimize=True)


if __name__ == "__main__":
    main()
