"""The files in workflows/ are what dev/workflows/templates describes: run `make templates` after a change."""

import json
import runpy

import pytest

from dev.workflows.to_ui import to_ui
from dev.workflows.write import DESCRIPTIONS, WORKFLOWS

TEMPLATES = sorted(DESCRIPTIONS.glob("*.py"))


def seen(workflow: dict) -> dict:
    """What a user sees of it, whatever inputs a newer host adds to its own nodes."""
    nodes = [
        (node["type"], node.get("title"), list(node["pos"]), list(node["size"]), texts(node))
        for node in workflow["nodes"]
    ]
    groups = [(group["title"], list(group["bounding"])) for group in workflow["groups"]]
    return {"nodes": nodes, "groups": groups, "wires": len(workflow["links"])}


def texts(node: dict) -> list[str]:
    return [value for value in node.get("widgets_values") or () if isinstance(value, str)]


def test_there_is_one_for_each_description():
    assert {path.stem for path in TEMPLATES} == {path.stem for path in WORKFLOWS.glob("*.json")} != set()


@pytest.mark.parametrize("description", TEMPLATES, ids=lambda path: path.stem)
def test_a_workflow_is_what_its_description_says(object_info, description):
    described = to_ui(runpy.run_path(str(description))["TEMPLATE"], object_info)
    committed = json.loads((WORKFLOWS / f"{description.stem}.json").read_text())
    assert seen(committed) == seen(described), "run `make templates`"
