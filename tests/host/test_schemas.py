"""What every node owes its users and the registry's scanner."""

import ast
from pathlib import Path

import pytest

from dev.workflows.schema import inputs

ASKED = {  # what people type, and the node that they need first
    "unlearn": "MACE_EraseConcepts",
    "forget": "MACE_EraseConcepts",
    "remove concept": "MACE_EraseConcepts",
    "UCE": "MACE_CrossAttnRefine",
}
TOOLTIP = 120  # characters
NODES = Path(__file__).resolve().parents[2] / "nodes"
FROZEN = {
    f"MACE_{name}"
    for name in (
        "EraseConcepts",
        "PreservePrior",
        "CrossAttnRefine",
        "DrawConcepts",
        "MaskConcepts",
        "TrainingSetFromImages",
        "TrainConceptLoRA",
        "FuseLoRAs",
        "ApplyErasedModel",
        "SaveErasure",
        "LoadErasure",
        "ExportErasure",
        "ScoreErasure",
        "ViewAttention",
        "SuggestSurrogate",
        "ProbeErasure",
        "CountExposed",
    )
}


@pytest.fixture(scope="module")
def ours(object_info) -> dict:
    return {name: schema for name, schema in object_info.items() if name.startswith("MACE_")}


def test_the_ids_are_frozen_and_in_one_category(ours):
    assert FROZEN <= set(ours)
    assert {schema["category"] for schema in ours.values()} == {"MACE"}


def test_everything_is_explained(ours):
    for name, schema in ours.items():
        assert schema["description"].endswith(".") and schema["display_name"] != name, name
        assert all(tooltip for _, tooltip in tooltips(schema)), name


def tooltips(schema: dict) -> list[tuple[str, str | None]]:
    """(name, tooltip) of each input and output, from what the front end gets."""
    named = [(each.name, each.options.get("tooltip")) for each in inputs(schema)]
    return named + list(zip(schema["output_name"], schema["output_tooltips"], strict=True))


def test_tooltips_are_short(ours):
    long = [
        (name, each) for name in ours for each, tooltip in tooltips(ours[name]) if len(tooltip) >= TOOLTIP
    ]
    assert long == [], "move the details to the help page"


def test_no_node_has_more_than_seven_widgets(ours):
    assert max(sum(each.is_widget for each in inputs(schema)) for schema in ours.values()) <= 7


def test_new_inputs_have_defaults_or_are_sockets(ours):
    """Saved workflows store widget values by position, so every widget needs a default."""
    for name, schema in ours.items():
        missing = [each.name for each in inputs(schema) if each.is_widget and each.default is None]
        assert missing in ([], ["name"]), name  # the list of files can be empty


def test_other_words_find_each_node_on_hosts_whose_search_knows_them(ours, object_info):
    words = {name: schema.get("search_aliases") or [] for name, schema in ours.items()}
    if not any(schema.get("search_aliases") for name, schema in object_info.items() if name not in ours):
        assert not any(words.values()), "this host does not support search aliases"
        return
    for asked, node in ASKED.items():
        assert asked in words[node], node
    for name, schema in ours.items():
        title = schema["display_name"].lower()
        assert words[name] and not [word for word in words[name] if word.lower() in title], name


def test_the_scanner_finds_every_class():
    """The scanner reads source, so the base must literally be io.ComfyNode, and the id a literal."""
    found = set()
    for path in NODES.glob("*.py"):
        for each in ast.walk(ast.parse(path.read_text())):
            if isinstance(each, ast.ClassDef) and "io.ComfyNode" in map(ast.unparse, each.bases):
                found |= {
                    keyword.value.value
                    for call in ast.walk(each)
                    if isinstance(call, ast.Call)
                    for keyword in call.keywords
                    if keyword.arg == "node_id"
                }
    assert FROZEN <= found


def test_a_fresh_install_without_the_folder_loads(comfy, monkeypatch, tmp_path):
    """The first save creates models/mace; until then the list is empty."""
    import folder_paths

    entry = [str(tmp_path / "mace")], {".safetensors"}
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", entry)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    host = comfy.module("nodes.host.folders")
    assert host.erasure_names() == []
    assert host.write_erasure("sub/first", Path.touch) == "sub/first_00001.safetensors"
    assert host.erasure_names() == ["sub/first_00001.safetensors"]
