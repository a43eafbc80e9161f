"""Every stage, both kinds of evidence and the export run without a network and without pickle."""

import pickle
import socket
from pathlib import Path

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_command_line import TINY, carry_out


@pytest.fixture
def shut(monkeypatch):
    """Names of what was tried, and refused."""
    tried = []

    def refuse(name):
        def refused(*_, **__):
            tried.append(name)
            raise OSError(f"{name} was called")

        return refused

    for owner, name in (
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
        (socket, "create_connection"),
        (socket, "getaddrinfo"),
        (pickle, "load"),
        (pickle, "Unpickler"),
        (torch, "load"),
    ):
        monkeypatch.setattr(owner, name, refuse(name))
    return tried


def test_the_shut_door_is_noticed(shut):
    with pytest.raises(OSError, match="create_connection"):
        socket.create_connection(("localhost", 9))
    assert shut == ["create_connection"]


def test_nothing_asks_for_a_network_or_a_pickle(comfy, shut, tmp_path):
    (tmp_path / "list.csv").write_text("target,surrogate\nship,sea\n")
    (tmp_path / "keep.txt").write_text("cat\nA photo of a horse\n")
    kept = ("--preserve", tmp_path / "keep.txt", "--everyday", "--name", "without a network")
    erased = carry_out(comfy, "erase", tmp_path / "list.csv", *TINY, *kept)
    saved = Path(erased["path"])
    assert Path(carry_out(comfy, "score", saved, *TINY)["record"]).is_file()
    assert Path(carry_out(comfy, "probe", saved, *TINY, "--learning-steps", "1")["record"]).is_file()
    for form in ("lora", "full", "peft"):
        report = carry_out(comfy, "export", saved, "--checkpoint", CHECKPOINT, "--format", form)
        assert Path(report["path"]).exists()
    assert shut == []
