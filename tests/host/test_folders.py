"""extra_model_paths.yaml: all folders are read; files are written to models/mace or to the default entry."""

import runpy
from pathlib import Path

import pytest

from dev.host.fetch import host_folder


@pytest.fixture
def configured(comfy, monkeypatch, tmp_path):
    """`configured(text)`: the mace folders after the host reads this configuration and loads the pack."""
    import folder_paths
    from comfy.cli_args import args

    # loaded by path, because many packages are called utils
    reader = runpy.run_path(str(host_folder() / "utils" / "extra_config.py"))["load_extra_path_config"]

    def configure(text: str, beside_host: bool = False) -> list[str]:
        config = tmp_path / "extra_model_paths.yaml"
        config.write_text(text)
        if beside_host:
            monkeypatch.setattr(folder_paths, "__file__", str(tmp_path / "folder_paths.py"))
        else:
            monkeypatch.setattr(args, "extra_model_paths_config", [[str(config)]])
        without = {
            name: ([*paths], {*endings})
            for name, (paths, endings) in folder_paths.folder_names_and_paths.items()
        }
        del without["mace"]
        monkeypatch.setattr(folder_paths, "folder_names_and_paths", without)
        monkeypatch.setattr(folder_paths, "filename_list_cache", {})
        reader(str(config))
        comfy.module("nodes.host.registration").register_model_folder()
        return folder_paths.get_folder_paths("mace")

    return configure


def written(comfy) -> set[Path]:
    """The folders that erasures and each kind of cached result are written to."""
    host, store = comfy.module("nodes.host.folders"), comfy.module("nodes.host.stores")
    kept = (store.store_of(what).folder.parent for what in store.BOUNDS)
    return {Path(host.check_new_name("a")).parent, *kept}


def test_without_a_mark_all_is_written_to_models_mace(comfy, configured, tmp_path):
    own = comfy.base / "models" / "mace"
    folders = configured(f"mine:\n  base_path: {tmp_path}\n  mace: shared/mace\n")
    assert folders == [str(own), str(tmp_path / "shared" / "mace")]
    assert written(comfy) == {own} and not (tmp_path / "shared").exists()


@pytest.mark.parametrize("beside_host", [False, True])
def test_the_entry_marked_default_is_written_to(comfy, configured, tmp_path, beside_host):
    text = f"""
theirs:
  base_path: {tmp_path}
  mace: theirs
mine:
  base_path: mine/models
  is_default: true
  checkpoints: ckpt
  mace: |
    mace
"""
    folders = configured(text, beside_host)
    default = tmp_path / "mine" / "models" / "mace"
    assert folders == [str(default), str(tmp_path / "theirs"), str(comfy.base / "models" / "mace")]
    assert written(comfy) == {default}


def test_a_mark_on_other_folders_is_none_on_this_one(comfy, configured, tmp_path):
    text = f"a:\n  is_default: true\n  loras: {tmp_path}/l\nb:\n  mace: {tmp_path}/m\n"
    assert configured(text)[0] == str(comfy.base / "models" / "mace")


def test_all_folders_are_read(comfy, configured, tmp_path):
    theirs = tmp_path / "theirs"
    (theirs / "judges" / "one").mkdir(parents=True)
    (theirs / "judges" / "one" / "config.json").touch()
    for name in ("theirs.safetensors", "readme.txt", "list.csv"):
        (theirs / name).touch()
    configured(f"mine:\n  mace: {theirs}\n")
    host = comfy.module("nodes.host.folders")
    names = host.erasure_names()
    assert "theirs.safetensors" in names and "readme.txt" not in names
    assert host.erasure_path("theirs.safetensors") == str(theirs / "theirs.safetensors")
    assert "models/mace/list.csv" in comfy.module("nodes.host.files").text_files((".csv",))
    assert "mace/judges/one" in comfy.module("nodes.host.judge").judge_names()
    assert str(theirs / "segmenters") in host.segmenters_folders()


def test_loaded_twice_is_registered_once(comfy, configured, tmp_path):
    import folder_paths

    folders = configured(f"mine:\n  is_default: true\n  mace: {tmp_path}/m\n")
    comfy.module("nodes.host.registration").register_model_folder()
    assert folder_paths.get_folder_paths("mace") == folders
    assert folder_paths.folder_names_and_paths["mace"][1] == {".safetensors"}
