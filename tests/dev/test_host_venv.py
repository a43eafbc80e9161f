"""A host's venv: it adds only missing requirements, is complete or absent, and leaves torch unchanged."""

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from dev.host import venv as host_venv
from dev.host.venv import host_python, lacking


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder of wheels instead of the network; `registry(name, version, *requires)` adds an empty wheel."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def add(name: str, version: str, *requires: str) -> None:
        about = f"{name}-{version}.dist-info"
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires)]
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", f"version = '{version}'\n")
            wheel.writestr(f"{about}/METADATA", "\n".join(["Metadata-Version: 2.1", *lines, ""]))
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")

    return add


@pytest.fixture
def host(tmp_path, monkeypatch):
    """`host(*requirements)` creates a ComfyUI folder with them. Venvs go into the test's own folder."""
    monkeypatch.setattr(host_venv, "VENVS", tmp_path / "venvs")

    def folder(*requirements: str) -> Path:
        where = tmp_path / "ComfyUI"
        where.mkdir(exist_ok=True)
        (where / "requirements.txt").write_text("\n".join(requirements))
        return where

    return folder


def version(python: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def venvs() -> list[Path]:
    return list(host_venv.VENVS.glob("*"))


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy>=1.25.0  # a reason",
        "PyYAML",
        "pydantic_settings~=2.0",
        "# all of it",
        "",
        "torch==0.1",
        "torchvision==0.1",
        "comfyui-embedded-docs==0.5.10",
        "--extra-index-url https://example.org",
        "never-heard-of; sys_platform == 'beos'",
    ],
)
def test_nothing_is_installed_for(line):
    assert lacking(line) == []


@pytest.mark.parametrize("line", ["never-heard-of", "numpy>=999", "never-heard-of>=1; python_version >= '3'"])
def test_is_installed(line):
    assert [str(each) for each in lacking(f"numpy\n{line}\n")] == [line.replace("'", '"')]


def test_the_workshop_itself_runs_a_host_it_has_everything_for(host):
    assert host_python(host("torch", "numpy")) == Path(sys.executable)
    assert not host_venv.VENVS.exists()


def test_a_host_gets_what_it_asks_for_and_the_workshop_keeps_its_own(host, registry):
    for name in ("toy", "comfyui_frontend_package", "numpy"):
        registry(name, "999")
    names = ("comfyui-frontend-package", "numpy", "torch", "transformers", "pytest")
    before = {name: metadata.version(name) for name in names}
    python = host_python(host("toy", "comfyui-frontend-package==999", "numpy>=999", "transformers"))
    assert [version(python, name) for name in ("toy", "comfyui-frontend-package", "numpy")] == ["999"] * 3
    assert [version(python, name) for name in names[2:]] == [before[name] for name in names[2:]]
    assert {name: version(Path(sys.executable), name) for name in names} == before


def test_numpy_stays_unless_the_host_itself_asks_for_another(host, registry):
    registry("toy", "1.0", "numpy==999")
    registry("numpy", "999")
    with pytest.raises(RuntimeError):
        host_python(host("toy", "numpy"))


def test_it_is_made_once_for_the_same_requirements(host, registry, monkeypatch):
    registry("toy", "1.0")
    first = host_python(host("toy==1.0"))
    monkeypatch.setattr(host_venv, "make", None)
    assert host_python(host("toy==1.0")) == first


def test_other_requirements_are_another_venv(host, registry):
    registry("toy", "1.0")
    registry("toy", "2.0")
    pythons = [host_python(host(f"toy=={number}")) for number in ("1.0", "2.0")]
    assert [version(python, "toy") for python in pythons] == ["1.0", "2.0"]
    assert len(venvs()) == 2


def test_torchaudio_brings_no_torch_and_is_no_newer_than_ours(host, registry):
    registry("torchaudio", "0.1", "torch==0.1")
    registry("torchaudio", "999", "torch==999")
    python = host_python(host("torchaudio"))
    assert version(python, "torchaudio") == "0.1"
    assert version(python, "torch") == metadata.version("torch")


def test_what_would_replace_torch_is_refused_and_leaves_nothing(host, registry):
    registry("toy", "1.0", "torch==0.1")
    registry("torch", "0.1")
    with pytest.raises(RuntimeError, match=r"could not install .*\(toy\)"):
        host_python(host("toy"))
    assert venvs() == []


def test_an_interrupted_set_up_leaves_nothing_and_the_next_one_works(host, registry, monkeypatch):
    registry("toy", "1.0")
    folder = host("toy")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(host_venv, "pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            host_python(folder)
    assert venvs() == []
    assert version(host_python(folder), "toy") == "1.0"
