"""An erasure survives a restart bit for bit, and names from a graph stay inside models/mace."""

import pytest

from dev.host.client import InvalidPrompt
from tests.host.graphs import CLIP, all_stages, apply, base, draw, node, picture


def loaded(name: str) -> dict:
    return base() | {"load": node("MACE_LoadErasure", name=name)} | apply("apply", ["load", 0], clip=CLIP)


def test_save_restart_load_apply_draws_the_same_image(restartable_host):
    client = restartable_host.client()
    save = {"save": node("MACE_SaveErasure", erasure=["fuse", 0], name="kept/ship")}
    outputs = client.run(all_stages() | save | draw("erased", ["apply", 0]))
    before = picture(client, outputs, "erased")
    name = outputs["save"]["text"][0]
    assert name == "kept/ship_00001.safetensors"
    assert [file.name for file in (restartable_host.base / "models" / "mace" / "kept").iterdir()] == [
        "ship_00001.safetensors"
    ]
    restartable_host.restart()
    client = restartable_host.client()
    assert picture(client, client.run(loaded(name) | draw("erased", ["apply", 0])), "erased") == before


def test_the_list_shows_the_files_and_a_new_file_is_read_anew(client, host):
    save = {"save": node("MACE_SaveErasure", erasure=["refine", 1], name="stage_1")}
    names = [
        client.run(
            all_stages()
            | save
            | {"again": node("MACE_SaveErasure", erasure=["refine", 1], name="stage_1.safetensors")}
        )
    ]
    names = sorted([names[0]["save"]["text"][0], names[0]["again"]["text"][0]])
    assert names == ["stage_1_00001.safetensors", "stage_1_00002.safetensors"]
    offered = client.object_info()["MACE_LoadErasure"]["input"]["required"]["name"][1]["options"]
    assert set(names) <= set(offered)
    client.run(loaded(names[0]) | draw("erased", ["apply", 0]))


@pytest.mark.parametrize(
    "name",
    ["../escape", "/etc/escape", "a/../../escape", "..\\escape", "C:\\escape", "", " ", "a//b", "nul\0"],
)
def test_a_name_that_leaves_the_folder_is_refused(client, host, name):
    files = sorted(host.base.rglob("*escape*"))
    prompt = all_stages() | {"save": node("MACE_SaveErasure", erasure=["refine", 1], name=name)}
    with pytest.raises(InvalidPrompt, match=r"inside models/mace|character|cannot be the name"):
        client.run(prompt)
    with pytest.raises(InvalidPrompt, match="MACE_LoadErasure"):
        client.run(loaded(name) | draw("erased", ["apply", 0]))
    assert sorted(host.base.rglob("*escape*")) == files
