"""What the command line's help promises, and what it refuses before ComfyUI is loaded."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from mace_erase.command import COMMANDS
from mace_erase.host import comfyui_folder
from mace_erase.inputs import stem
from mace_erase.options import parser, split_arguments

REQUIRED = {"list": ["list"]} | {
    name: [name, "given", "--checkpoint", "one.safetensors"] for name in ("erase", "score", "probe", "export")
}


def help_of(*command: str, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_help_names_every_command_and_every_exit_code(capsys):
    said = help_of(capsys=capsys)
    assert set(re.findall(r"^    (\w+) ", said, re.MULTILINE)) == set(COMMANDS)
    assert "0 done, 1 an error" in said and "2 wrong usage, 130 interrupted" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_a_valid_command_line(name, capsys):
    said = help_of(name, capsys=capsys) + help_of(capsys=capsys)
    examples = re.findall(
        rf"^  python -m mace_erase ({name}(?: |$)(?:[^\n]*\\\n)*[^\n]*)", said, re.MULTILINE
    )
    assert len(examples) >= 2
    for example in examples:
        if "--help" not in example:
            own, _ = split_arguments(shlex.split(example.replace("\\\n", " ")))
            assert parser().parse_args(own).command == name


def test_help_needs_neither_comfyui_nor_torch(repository, tmp_path):
    run = "try: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    code = f"import sys; from mace_erase.command import main\n{run}"
    environment = os.environ | {"PYTHONPATH": str(repository), "COMFYUI_PATH": "/nowhere"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0 and "examples:" in answer.stdout, answer.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["draw"],
        ["erase", "list.csv"],
        [*REQUIRED["erase"], "--size", "512"],
        [*REQUIRED["erase"], "--size", "100x100"],
        [*REQUIRED["erase"], "--method", "quick"],
        [*REQUIRED["score"], "--images", "many"],
        [*REQUIRED["export"], "--format", "zip"],
    ],
)
def test_wrong_usage_has_its_own_exit_code(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(wrong)
    assert ended.value.code == 2 and "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["json", "quiet"])
def test_json_and_quiet_go_before_or_after_the_command(name, flag):
    for line in ([f"--{flag}", *REQUIRED[name]], [*REQUIRED[name], f"--{flag}"]):
        assert getattr(parser().parse_args(line), flag)
    assert not getattr(parser().parse_args(REQUIRED[name]), flag)


def test_what_follows_the_dashes_is_comfyuis():
    assert split_arguments(["list", "--json", "--", "--cpu", "--", "x"]) == (
        ["list", "--json"],
        ["--cpu", "--", "x"],
    )
    assert split_arguments(["list"]) == (["list"], [])


def test_a_wrong_path_of_comfyui_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(ValueError, match="COMFYUI_PATH is .*, which has no main.py"):
        comfyui_folder()
    monkeypatch.delenv("COMFYUI_PATH")
    monkeypatch.setattr("mace_erase.host.PACK", str(tmp_path / "custom_nodes" / "pack"))
    with pytest.raises(ValueError, match="set COMFYUI_PATH"):
        comfyui_folder()
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    assert comfyui_folder() == str(tmp_path)


@pytest.mark.parametrize(
    "path, name", [("/a b/my list.csv", "my_list"), ("ships", "ships"), ("..txt", "erasure")]
)
def test_a_file_is_named_after_the_list(path, name):
    assert stem(path) == name


def test_the_page_explains_every_command_and_every_option_of_erase(repository, capsys):
    page = (repository / "docs" / "command_line.md").read_text()
    assert set(COMMANDS) == set(re.findall(r"^\| `(\w+)(?: [A-Z]|` \|)", page, re.MULTILINE))
    flags = set(re.findall(r"^  (--[\w-]+)", help_of("erase", capsys=capsys), re.MULTILINE))
    assert len(flags) > 10 and not [flag for flag in flags if f"`{flag}" not in page]
