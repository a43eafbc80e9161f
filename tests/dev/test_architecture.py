"""The architecture picture shows the nodes that exist, the wires they have, and who may import whom."""

import ast
from itertools import combinations

import pytest
from PIL import Image, ImageChops

from dev.host.fetch import REPOSITORY
from dev.workflows.architecture import (
    ARROWS,
    BARS,
    CORE,
    GROUPS,
    HEIGHT,
    NODES,
    PICTURE,
    ROOM_ARROWS,
    ROOMS,
    WIDTH,
    picture,
    stands_on,
)
from tests.test_rooms import MAY_IMPORT

SOCKETS = {
    "Model": "MODEL",
    "Clip": "CLIP",
    "Vae": "VAE",
    "Image": "IMAGE",
    "String": "list",
    "Concepts": "concepts",
    "Prior": "prior",
    "TrainingSet": "training set",
    "ConceptLoRAs": "concept LoRAs",
    "Erasure": "erasure",
}
TYPED = "list"  # typed into the node unless it is connected


def parsed(name: str) -> ast.Module:
    return ast.parse((REPOSITORY / "nodes" / f"{name}.py").read_text())


SHARED = {each.name: each for each in parsed("inputs").body if isinstance(each, ast.FunctionDef)}


def sockets(node: ast.AST, end: str) -> set[tuple[str, bool]]:
    """(what, whether it is optional) of every Input or Output in some source, shared inputs included."""
    found = set()
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in SHARED:
            found |= sockets(SHARED[call.func.id], end)
        elif isinstance(call.func, ast.Attribute) and call.func.attr == end:
            kind = ast.unparse(call.func.value).removeprefix("io.")
            optional = any(each.arg == "optional" for each in call.keywords)
            found |= {(SOCKETS[kind], optional)} if kind in SOCKETS else set()
    return found


def schemas() -> dict[str, dict[str, set]]:
    """Display name -> its sockets, for each node that nodes/extension.py registers."""
    extension = parsed("extension")
    files = {
        each.names[0].name: each.module
        for each in extension.body
        if isinstance(each, ast.ImportFrom) and each.level == 1 and each.module
    }
    [registered] = [each.value for each in ast.walk(extension) if isinstance(each, ast.Return)]
    found = {}
    for name in (each.id for each in registered.elts):
        [schema] = [
            each
            for each in ast.walk(parsed(files[name]))
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "io.Schema"
        ]
        given = {each.arg: each.value for each in schema.keywords}
        found[given["display_name"].value] = {end: sockets(schema, end) for end in ("Input", "Output")}
    return found


SCHEMAS = schemas()


def travels(what: str) -> str:
    """ "refined MODEL" is a MODEL, and "erasure (preview)" an erasure."""
    return what.split()[-1] if what.endswith("MODEL") else what.split(" (")[0]


def test_the_nodes_are_those_of_the_pack():
    assert NODES.keys() == SCHEMAS.keys()


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.source} to {arrow.target}")
def test_an_arrow_is_a_wire_that_can_be_connected(arrow):
    what = travels(arrow.what)
    assert what in {each for each, _ in SCHEMAS[arrow.source]["Output"]}
    assert what in {each for each, _ in SCHEMAS[arrow.target]["Input"]}
    (x, y), (left, top, right, bottom) = arrow.path[-1], NODES[arrow.target].box
    assert x in (left, right) or y in (top, bottom), "it does not end at its target"


@pytest.mark.parametrize("name", NODES)
def test_arrows_and_chips_are_all_that_a_node_needs(name):
    inputs = SCHEMAS[name]["Input"]
    shown = {*NODES[name].takes, *(travels(each.what) for each in ARROWS if each.target == name)}
    assert {what for what, optional in inputs if not optional} - {TYPED} <= shown
    assert shown <= {what for what, _ in inputs}


def drawn(room: str) -> str:
    return room if room in ROOMS else room.split(".")[0]


def test_the_rooms_import_what_the_table_allows():
    table = {room: set() for room in (*ROOMS, *BARS)}
    for room, others in MAY_IMPORT.items():
        table[drawn(room)] |= {drawn(other) for other in others} - {drawn(room)}
    shown = {room: stands_on(room) for room in table}
    for room, other in ROOM_ARROWS:
        shown[room].add(other)
    assert shown == table


def test_a_part_of_the_core_imports_only_parts_to_its_left():
    inside = {
        room.removeprefix("mace_core."): others
        for room, others in MAY_IMPORT.items()
        if room[:9] == "mace_core"
    }
    assert inside.keys() == set(CORE)
    for place, room in enumerate(CORE):
        assert {other.removeprefix("mace_core.") for other in inside[room]} <= set(CORE[:place])


def overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_words_are_apart_and_inside():
    words = picture().words
    for (one, a), (other, b) in combinations(words, 2):
        assert not overlap(a, b), f"{one} overlaps {other}"
    assert all(0 <= left and right <= WIDTH and bottom <= HEIGHT for _, (left, _, right, bottom) in words)


def test_nodes_are_apart_and_inside_one_group():
    for a, b in combinations([node.box for node in NODES.values()], 2):
        assert not overlap(a, b)
    for left, top, right, bottom in (node.box for node in NODES.values()):
        around = [box for _, box, _, _ in GROUPS if overlap(box, (left, top, right, bottom))]
        assert len(around) == 1
        assert around[0][0] < left and around[0][1] < top and right < around[0][2] and bottom < around[0][3]


def test_the_committed_picture_is_what_the_code_draws():
    committed = Image.open(PICTURE).convert("RGB")
    assert committed.size == (WIDTH, HEIGHT)
    difference = ImageChops.difference(committed, picture().reduced()).convert("L")
    # the file has 128 colours, which changes edges of letters a little; a word that moves changes far more
    assert sum(difference.histogram()[48:]) < 100, "run python -m dev.workflows.architecture"
