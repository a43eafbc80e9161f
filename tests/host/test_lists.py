"""Lists from files are found in the input folder and in models/mace, and nowhere else."""

import pytest

from tests.host.graphs import base, draw, picture, stage_1


@pytest.fixture(scope="module")
def folders(comfy):
    inside, own = comfy.base / "input" / "lists", comfy.base / "models" / "mace" / "concepts"
    inside.mkdir(exist_ok=True)
    own.mkdir(exist_ok=True)
    (inside / "mixed.csv").write_text("target,surrogate,kind\nship,sea,\nVan Gogh,art,style\n")
    (comfy.base / "models" / "mace" / "people.yaml").write_text("- {target: Jo, surrogate: a person}\n")
    (own / "not_a_list.json").write_text("[]")
    (comfy.base / "secret.csv").write_text("target,surrogate\nship,sea\n")
    return comfy.base


def test_both_folders_are_offered_and_the_packs_own_files_are_not(comfy, folders):
    files = comfy.module("nodes.host.files")
    offered = files.text_files((".csv", ".json", ".yaml"))
    assert offered == ["none", "input/lists/mixed.csv", "models/mace/people.yaml"]


def test_a_list_replaces_the_lines(comfy, folders):
    lines = {"concepts": "dog -> ground", "kind": "person"}
    (concepts,) = comfy.call("MACE_EraseConcepts", **lines, file="input/lists/mixed.csv")
    assert [(each.target, each.kind) for each in concepts] == [("ship", "person"), ("Van Gogh", "style")]
    assert [each.target for each in comfy.call("MACE_EraseConcepts", **lines, file="none")[0]] == ["dog"]


def test_the_papers_explicit_words_are_a_choice(comfy, folders):
    schema = comfy.nodes["MACE_EraseConcepts"].define_schema()
    (choice,) = (each for each in schema.inputs if each.id == "file")
    assert "explicit content" in choice.options
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="", kind="object", file="explicit content")
    assert [(each.target, each.kind) for each in concepts][:2] == [
        ("nudity", "explicit"),
        ("naked", "explicit"),
    ]


def test_a_chain_of_surrogates_is_followed_and_told_on_the_node(comfy, folders):
    node = comfy.nodes["MACE_EraseConcepts"]
    output = node.execute(concepts="cat -> dog\ndog -> ground", kind="object")
    assert {each.surrogate for each in output.result[0]} == {"ground"}
    assert "gives way to 'ground'" in str(output.ui.as_dict())
    assert node.execute(concepts="cat -> sea", kind="object").ui is None


def test_a_changed_list_is_read_anew(comfy, folders):
    node_class = comfy.nodes["MACE_EraseConcepts"]
    path = folders / "models" / "mace" / "people.yaml"
    before = node_class.fingerprint_inputs(concepts="", kind="object", file="models/mace/people.yaml")
    path.write_text("- {target: Jo, surrogate: a person}\n- {target: Al, surrogate: a person}\n")
    assert node_class.fingerprint_inputs(concepts="", file="models/mace/people.yaml") != before
    assert node_class.fingerprint_inputs(concepts="") == "none"


@pytest.mark.parametrize(
    "name",
    [
        "input/../secret.csv",
        "input/lists/../../secret.csv",
        "/etc/passwd.csv",
        "input//secret.csv",
        "models/mace/..\\..\\secret.csv",
        "secret.csv",
        "input/C:\\secret.csv",
        "input/a\0.csv",
        "",
        "input/lists",
        "output/a.csv",
    ],
)
def test_names_from_outside_stay_inside(comfy, folders, name):
    with pytest.raises(ValueError, match=r"choose a file from the list|There is no file|inside"):
        comfy.call("MACE_EraseConcepts", concepts="", kind="object", file=name)


def test_on_a_server(client, host):
    (host.base / "input" / "list.json").write_text('[{"target": "ship", "surrogate": "sea"}]')
    prompt = base() | stage_1("") | draw("out", ["refine", 0])
    prompt["concepts"]["inputs"]["file"] = "input/list.json"
    plain = base() | stage_1("ship -> sea") | draw("out", ["refine", 0])
    drawn = [picture(client, client.run(each), "out") for each in (prompt, plain)]
    assert drawn[0] == drawn[1]
