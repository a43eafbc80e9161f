"""On a host that is too old, the pack logs a one-sentence error and registers no nodes."""

import asyncio
import copy
import logging
import sys
import tomllib

import pytest

from dev.host.fetch import REPOSITORY
from dev.host.pack_folder import PACK


@pytest.fixture
def load(comfy, monkeypatch, tmp_path, caplog):
    """Loads the pack again from another folder; returns the host's log, or None on success."""
    import folder_paths

    import nodes

    # removes everything that the second copy registers after the test
    monkeypatch.setattr(nodes, "NODE_CLASS_MAPPINGS", dict(nodes.NODE_CLASS_MAPPINGS))
    monkeypatch.setattr(
        folder_paths, "folder_names_and_paths", copy.deepcopy(folder_paths.folder_names_and_paths)
    )
    folder = tmp_path / PACK
    folder.symlink_to(REPOSITORY, target_is_directory=True)

    def loaded() -> str | None:
        with caplog.at_level(logging.INFO):
            ok = asyncio.run(nodes.load_custom_node(str(folder)))
        return None if ok else caplog.text

    return loaded


@pytest.mark.parametrize("version", ["0.3.74", "0.3.9", "0.2.100"])
def test_too_old_a_host_is_told_the_version_it_needs(load, monkeypatch, version):
    monkeypatch.setattr("comfyui_version.__version__", version)
    log = load()
    sentence = f"ComfyUI 0.3.75 or newer and this is {version}"
    assert log.count(sentence) == 1
    assert "Traceback" not in log


def test_a_host_that_does_not_say_its_version_is_too_old(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "comfyui_version", None)  # as if the file did not exist
    log = load()
    assert log.count("ComfyUI 0.3.75 or newer and this is older") == 1
    assert "Traceback" not in log


@pytest.mark.parametrize("version", ["0.3.75", "0.3.76", "0.4.0", "1.0.0", "0.3.75+fork", "nightly"])
def test_newer_and_unreadable_versions_load(load, monkeypatch, version):
    monkeypatch.setattr("comfyui_version.__version__", version)
    assert load() is None


@pytest.mark.parametrize(
    "name",
    [
        "comfy_api.latest.io.Custom",
        "comfy.weight_adapter.WeightAdapterBase",
        "comfy_execution.graph_utils.ExecutionBlocker",
    ],
)
def test_a_host_without_a_name_the_pack_needs_says_which(load, monkeypatch, name):
    monkeypatch.delattr(name)
    log = load()
    sentence = next(line for line in log.splitlines() if "MACE Concept Erasure" in line)
    assert name.split(".")[-1] in sentence and sentence.endswith("this pack.")
    assert "Traceback" not in log


def test_the_version_is_the_one_the_project_declares(comfy):
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["comfy"]["requires-comfyui"]
    assert wanted == f">={comfy.pack.OLDEST_HOST}"
