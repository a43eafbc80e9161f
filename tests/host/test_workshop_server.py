"""The interface to a real ComfyUI on which the tests and the demo rely."""

import pytest

from dev.host.client import ExecutionFailed, InvalidPrompt
from dev.workflows.to_api import to_api
from dev.workflows.to_ui import Node, Note, Out, Template, to_ui

PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 2, "color": 255}}
SAVE = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "workshop"}}
TEMPLATE = Template(
    nodes=(
        Node("picture", "EmptyImage", at=(0, 0), inputs={"width": 16, "height": 16}),
        Node(
            "copies", "RepeatImageBatch", at=(340, 0), inputs={"image": Out("picture", "IMAGE"), "amount": 3}
        ),
        Node("save", "SaveImage", at=(680, 0), inputs={"images": Out("copies")}),
    ),
    notes=(Note("A note is not a node.", at=(0, 300)),),
)


def test_a_prompt_runs_and_reports_each_step(client):
    events = []
    outputs = client.run({"1": PICTURE, "2": SAVE}, events.append)
    assert [event.node for event in events if event.kind == "executing"] == ["1", "2"]
    assert events[-1].kind == "execution_success"
    assert client.image(outputs["2"]["images"][0]).startswith(b"\x89PNG")


def test_a_refused_prompt_raises_the_servers_sentence(client):
    with pytest.raises(InvalidPrompt, match="EmptyImage: .*height"):
        client.run({"1": {"class_type": "EmptyImage", "inputs": {"width": 16}}, "2": SAVE})


def test_a_failing_node_raises_its_own_message_and_the_server_goes_on(client):
    broken = {"class_type": "RegexReplace", "inputs": {"string": "a", "regex_pattern": "(", "replace": "b"}}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    with pytest.raises(ExecutionFailed, match="RegexReplace: missing"):
        client.run({"1": broken, "2": show})
    client.run({"1": PICTURE, "2": SAVE})


def test_a_described_template_runs_after_conversion(client, object_info):
    prompt = to_api(to_ui(TEMPLATE, object_info), object_info)
    outputs = client.run(prompt)
    assert len(outputs["3"]["images"]) == 3


def test_saved_files_survive_a_restart(restartable_host):
    kept = restartable_host.base / "output" / "kept.txt"
    kept.write_text("still here")
    restartable_host.restart()
    assert kept.read_text() == "still here"
    assert "EmptyImage" in restartable_host.client().object_info()


def test_in_process_the_pack_is_loaded_the_way_the_host_does(comfy):
    assert [name for name in comfy.nodes if name.startswith("MACE_")]
    (image,) = comfy.call("EmptyImage", width=8, height=8, batch_size=1, color=0)
    assert image.shape == (1, 8, 8, 3)
