"""Workflow conversion without a server. The schemas below have the format of /object_info."""

import json

import pytest

from dev.workflows.to_api import to_api
from dev.workflows.to_ui import Group, Node, Note, Out, Template, to_ui


def schema(required: dict, outputs: dict, optional: dict | None = None, module: str = "nodes") -> dict:
    groups = {"required": required, "optional": optional or {}}
    return {
        "input": groups,
        "input_order": {name: list(group) for name, group in groups.items()},
        "output": list(outputs.values()),
        "output_name": list(outputs),
        "display_name": "Shown",
        "python_module": module,
    }


OBJECT_INFO = {
    "Load": schema({"name": [["a", "b"]]}, {"MODEL": "MODEL", "CLIP": "CLIP"}),
    "Picture": schema({"image": [["x.png"], {"image_upload": True}]}, {"IMAGE": "IMAGE"}),
    "Sample": schema(
        {
            "model": ["MODEL", {}],
            "seed": ["INT", {"default": 0}],
            "method": ["COMBO", {"options": ["euler", "ddim"]}],
            "note": ["STRING", {"forceInput": True}],
        },
        {"LATENT": "LATENT"},
        optional={"rate": ["FLOAT", {"default": 0.5}]},
        module="custom_nodes.some-pack",
    ),
    "Text": schema({"text": ["STRING", {"multiline": True}]}, {"STRING": "STRING"}),
}
TEMPLATE = Template(
    nodes=(
        Node("loader", "Load", at=(0, 0), inputs={"name": "b"}),
        Node("words", "Text", at=(0, 200), inputs={"text": "hello"}),
        Node(
            "sampler",
            "Sample",
            at=(400, 0),
            title="Draw",
            control="randomize",
            inputs={"model": Out("loader", "MODEL"), "seed": 7, "note": Out("words")},
        ),
    ),
    groups=(Group("All", at=(-20, -40), size=(800, 400)),),
    notes=(Note("Read me.", at=(0, 500)),),
)


@pytest.fixture
def workflow() -> dict:
    return json.loads(json.dumps(to_ui(TEMPLATE, OBJECT_INFO)))


def named(workflow: dict, kind: str) -> dict:
    return next(node for node in workflow["nodes"] if node["type"] == kind)


def test_there_and_back(workflow):
    prompt = to_api(workflow, OBJECT_INFO)
    assert prompt["3"] == {
        "class_type": "Sample",
        "_meta": {"title": "Draw"},
        "inputs": {"model": ["1", 0], "seed": 7, "method": "euler", "note": ["2", 0], "rate": 0.5},
    }
    assert set(prompt) == {"1", "2", "3"}


def test_the_saved_form_has_what_the_front_end_expects(workflow):
    sampler = named(workflow, "Sample")
    assert sampler["widgets_values"] == [7, "randomize", "euler", 0.5]
    assert [slot["name"] for slot in sampler["inputs"]] == ["model", "note", "seed", "method", "rate"]
    assert sampler["properties"]["cnr_id"] == "some-pack"
    assert workflow["links"] == [[1, 1, 0, 3, 0, "MODEL"], [2, 2, 0, 3, 1, "STRING"]]
    assert named(workflow, "Load")["outputs"][0]["links"] == [1]


def test_the_same_description_gives_the_same_file(workflow):
    assert workflow == json.loads(json.dumps(to_ui(TEMPLATE, OBJECT_INFO)))


def test_a_linked_widget_keeps_its_place_among_the_values():
    nodes = (
        *TEMPLATE.nodes[:2],
        Node(
            "sampler",
            "Sample",
            at=(0, 0),
            inputs={"model": Out("loader"), "note": Out("words"), "method": Out("words"), "rate": 0.25},
        ),
    )
    prompt = to_api(to_ui(Template(nodes), OBJECT_INFO), OBJECT_INFO)
    assert prompt["3"]["inputs"]["method"] == ["2", 0]
    assert prompt["3"]["inputs"]["rate"] == 0.25


def test_an_upload_button_is_not_an_input():
    prompt = to_api(to_ui(Template((Node("p", "Picture", at=(0, 0)),)), OBJECT_INFO), OBJECT_INFO)
    assert prompt["1"]["inputs"] == {"image": "x.png"}


def test_reroutes_are_passed_through(workflow):
    workflow["nodes"].append({"id": 9, "type": "Reroute", "inputs": [{"name": "", "link": 1}]})
    workflow["links"].append([5, 9, 0, 3, 0, "MODEL"])
    named(workflow, "Sample")["inputs"][0]["link"] = 5
    assert to_api(workflow, OBJECT_INFO)["3"]["inputs"]["model"] == ["1", 0]


@pytest.mark.parametrize(("mode", "word"), [(2, "muted"), (4, "bypassed")])
def test_muted_and_bypassed_nodes_are_refused(workflow, mode, word):
    named(workflow, "Sample")["mode"] = mode
    with pytest.raises(ValueError, match=rf"node 3 \(Sample\) .*{word}"):
        to_api(workflow, OBJECT_INFO)


def test_an_unknown_node_is_refused(workflow):
    named(workflow, "Load")["type"] = "Gone"
    with pytest.raises(ValueError, match=r"node 1 \(Gone\)"):
        to_api(workflow, OBJECT_INFO)


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (Node("a", "Gone", at=(0, 0)), "class Gone"),
        (Node("a", "Load", at=(0, 0), inputs={"nmae": "a"}), "Load .*no input .*nmae"),
        (Node("a", "Sample", at=(0, 0), inputs={"model": Out("b")}), "no node .*'b'"),
        (Node("a", "Sample", at=(0, 0), inputs={"model": Out("a", "MASK")}), "'a' .*no output MASK"),
    ],
)
def test_a_mistake_in_a_description_is_named(node, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_ui(Template((node,)), OBJECT_INFO)
