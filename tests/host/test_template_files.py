"""The files in workflows/ and subgraphs/ are what dev/workflows describes: run `make templates` after a
change."""

import json
import runpy
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest

from dev.workflows.blueprint import to_blueprint
from dev.workflows.to_ui import to_ui
from dev.workflows.write import BLUEPRINTS, DESCRIPTIONS, SUBGRAPHS, WORKFLOWS

TEMPLATES, BLOCKS = sorted(DESCRIPTIONS.glob("*.py")), sorted(BLUEPRINTS.glob("*.py"))


def seen(workflow: dict) -> dict:
    """What a user sees of it, whatever inputs a newer host adds to its own nodes."""
    nodes = [
        (node["type"], node.get("title"), list(node["pos"]), list(node["size"]), texts(node))
        for node in workflow["nodes"]
    ]
    groups = [(group["title"], list(group["bounding"])) for group in workflow["groups"]]
    points = [point["pos"] for point in workflow["extra"].get("reroutes", ())]
    return {"nodes": nodes, "groups": groups, "wires": len(workflow["links"]), "points": points}


def texts(node: dict) -> list[str]:
    return [value for value in node.get("widgets_values") or () if isinstance(value, str)]


def test_there_is_one_for_each_description():
    assert {path.stem for path in TEMPLATES} == {path.stem for path in WORKFLOWS.glob("*.json")} != set()


@pytest.mark.parametrize("description", TEMPLATES, ids=lambda path: path.stem)
def test_a_workflow_is_what_its_description_says(object_info, description):
    described = to_ui(runpy.run_path(str(description))["TEMPLATE"], object_info)
    committed = json.loads((WORKFLOWS / f"{description.stem}.json").read_text())
    assert seen(committed) == seen(described), "run `make templates`"


@pytest.mark.parametrize("description", BLOCKS, ids=lambda path: path.stem)
def test_a_block_is_what_its_description_says(object_info, description):
    block = runpy.run_path(str(description))["BLUEPRINT"]
    described = to_blueprint(block, object_info)
    committed = json.loads((SUBGRAPHS / f"{block.name}.json").read_text())
    assert faces(committed) == faces(described), "run `make templates`"


def faces(saved: dict) -> dict:
    """A block from outside and from inside."""
    (node,), (inside,) = saved["nodes"], saved["definitions"]["subgraphs"]
    ends = {side: [(end["name"], end["type"]) for end in inside[side]] for side in ("inputs", "outputs")}
    slots = [each["name"] for each in node["inputs"]]
    return ends | {"slots": slots, "nodes": [(each["type"], texts(each)) for each in inside["nodes"]]}


TITLE, FIRST_SLOT, SLOT = 30, 14, 20  # heights in the front end
Place = tuple[float, float]


def box(node: dict) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, with the title."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def wires(workflow: dict) -> Iterator[tuple[str, list[Place], set[int]]]:
    """What each wire is called, the points that it passes, and the nodes at its ends."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    points = {point["id"]: point for point in workflow["extra"].get("reroutes", ())}
    last = {each["id"]: each["parentId"] for each in workflow["extra"].get("linkExtensions", ())}
    for number, origin, from_slot, target, to_slot, kind in workflow["links"]:
        start, _, right, _ = box(nodes[origin])
        passed, point = [], last.get(number)
        while point:
            assert number in points[point]["linkIds"]
            passed.insert(0, tuple(points[point]["pos"]))
            point = points[point].get("parentId")
        ends = [
            (right, nodes[origin]["pos"][1] + FIRST_SLOT + SLOT * from_slot),
            (nodes[target]["pos"][0], nodes[target]["pos"][1] + FIRST_SLOT + SLOT * to_slot),
        ]
        name = f"{kind} from {nodes[origin]['type']} to {nodes[target]['type']}"
        yield name, [ends[0], *passed, ends[1]], {origin, target}


def along(points: list[Place]) -> Iterator[Place]:
    for (x, y), (to_x, to_y) in pairwise(points):
        yield from ((x + (to_x - x) * part / 50, y + (to_y - y) * part / 50) for part in range(51))


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def committed(request) -> dict:
    return json.loads((WORKFLOWS / f"{request.param.stem}.json").read_text())


def test_no_node_covers_another(committed):
    for one, other in combinations(committed["nodes"], 2):
        left, top, right, bottom = box(one)
        apart = box(other)
        clear = right <= apart[0] or apart[2] <= left or bottom <= apart[1] or apart[3] <= top
        assert clear, (one["type"], other["type"])


def test_no_wire_runs_under_a_node_or_note(committed):
    """Between its points, a wire is taken as straight; the front end bends it a little."""
    for name, points, ends in wires(committed):
        for node in committed["nodes"]:
            left, top, right, bottom = box(node)
            inside = [(x, y) for x, y in along(points) if left < x < right and top < y < bottom]
            assert node["id"] in ends or not inside, f"{name} runs under {node['type']}"


def test_there_is_one_short_note(committed):
    notes = [node for node in committed["nodes"] if node["type"] == "MarkdownNote"]
    assert [len(note["widgets_values"][0].split()) < 120 for note in notes] == [True]
