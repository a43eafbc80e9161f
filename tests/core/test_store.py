"""The cache on disk: bit-identical results, detected damage, a size limit, and keys that cover all inputs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.files.hashes import values_hash
from mace_core.files.store import Finished, Store, find, keep, keep_together
from mace_core.files.tensor_file import DamagedFile, load_checked, save_checked, tensor_bytes
from mace_core.refinement.moments import concept_moments
from mace_core.refinement.refine import refine
from mace_core.training.alone import ALONE, on_plain_text, refined_text
from mace_core.training.lora import pack_lora, unpack_lora
from mace_core.training.training_set import training_prompts
from tests.core.toy import ToyAttentionModel, ToyTextEncoder, random_loras
from tests.rounding import identical

SHIP = Concept("ship", "sea", synonyms=("boat",))
ENCODER = ToyTextEncoder(context_length=30)
TENSORS = {"b": torch.arange(6.0).view(2, 3), "a": torch.ones(3, dtype=torch.float64), "c": torch.tensor(7)}


def both(tensors, description):
    return tensors, description


def no_report(text):
    raise AssertionError(text)


def test_what_is_kept_is_found_to_the_bit(tmp_path):
    store = Store(tmp_path / "new", 10**6)
    assert find(store, "x", "key", no_report, both) is None
    keep(store, "x", "key", TENSORS, {"what": [1, "two"]}, no_report)
    tensors, description = find(store, "x", "key", no_report, both)
    assert description == {"what": [1, "two"]} and tensors.keys() == TENSORS.keys()
    assert all(
        torch.equal(tensors[name], TENSORS[name]) and tensors[name].dtype == TENSORS[name].dtype
        for name in TENSORS
    )
    assert [path.suffix for path in store.folder.iterdir()] == [".safetensors"]


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path):
    path = tmp_path / "file.safetensors"
    save_checked(path, TENSORS, {"what": 1})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            tensors, description = load_checked(path)
        except DamagedFile:
            continue
        assert description == {"what": 1}  # the change was in padding or white space
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(DamagedFile, match="damaged"):
            load_checked(path)


def test_a_damaged_or_renamed_file_is_reported_and_never_used(tmp_path):
    store, said = Store(tmp_path, 10**6), []
    keep(store, "x", "key", TENSORS, {}, no_report)
    path = store.path("x", "key")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert find(store, "x", "key", said.append, both) is None and not path.exists()
    keep(store, "x", "other", TENSORS, {}, no_report)
    os.rename(store.path("x", "other"), path)
    assert find(store, "x", "key", said.append, both) is None and not path.exists()
    assert "damaged" in said[0] and "renamed" in said[1]


def test_files_used_longest_ago_make_room(tmp_path):
    store, keys = Store(tmp_path, 0), {name: name * 32 for name in "abcd"}
    keep(store, "a", keys["a"], TENSORS, {}, no_report)
    size = store.path("a", keys["a"]).stat().st_size
    store = Store(tmp_path, 3 * size)
    for name in "bc":
        keep(store, name, keys[name], TENSORS, {}, no_report)
    for number, name in enumerate("abc"):
        os.utime(store.path(name, keys[name]), (number, number))
    find(store, "a", keys["a"], no_report, both)  # marks a as used, so b is now the oldest
    keep(store, "d", keys["d"], TENSORS, {}, no_report)
    assert [name for name, key in keys.items() if store.path(name, key).exists()] == ["a", "c", "d"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moves", range(7))
def test_what_is_kept_together_is_found_together_or_not_at_all(tmp_path, monkeypatch, moves):
    """A batch of three is killed before the 1st, 2nd, ... move; writing all of it takes 7 moves."""
    store, left, move = Store(tmp_path, 10**6), [moves], os.replace

    def until_killed(*places):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        move(*places)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", until_killed)
        try:
            keep_together(store, [Finished(name, name, TENSORS, {}) for name in "abc"], no_report)
        except Killed:
            pass
    found = [name for name in "abc" if find(store, name, name, no_report, both)]
    assert found == (["a", "b", "c"] if moves >= 4 else [])
    assert not list(tmp_path.glob("*.together"))


def test_another_host_may_use_the_folder_at_the_same_moment(tmp_path, monkeypatch):
    """The other host also moves files of a batch in, before our first move and after it."""
    store, move, moved = Store(tmp_path, 10**6), os.replace, []

    def beside_another(source, target):
        inside = Path(source).parent.name.endswith(".together")
        if inside and len(moved) in (0, 1):
            for file in list(Path(source).parent.iterdir())[:2]:
                move(file, tmp_path / file.name)
        moved.extend([source] * inside)
        move(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", beside_another)
        keep_together(store, [Finished(name, name, TENSORS, {}) for name in "abcdef"], no_report)
    assert len(moved) > 1
    assert all(find(store, name, name, no_report, both) for name in "abcdef")
    assert not list(tmp_path.glob("*.together"))


def test_two_hosts_may_finish_the_same_results_at_the_same_moment(tmp_path, monkeypatch):
    store, results = Store(tmp_path, 10**6), [Finished(name, name, TENSORS, {}) for name in "abc"]
    with monkeypatch.context() as patched:
        # neither host has moved its files yet
        patched.setattr("mace_core.files.store._move_in", lambda store, report: None)
        keep_together(store, results, no_report)
        keep_together(store, results, no_report)
    assert all(find(store, name, name, no_report, both) for name in "abc")
    assert not list(tmp_path.glob("*.together"))


def test_what_a_killed_run_left_is_removed_after_an_hour(tmp_path):
    for name in ("old", "new"):
        (tmp_path / f".mace-{name}.tmp").mkdir()
    os.utime(tmp_path / ".mace-old.tmp", (0, 0))
    keep(Store(tmp_path, 10**6), "x", "key", TENSORS, {}, no_report)
    assert [path.name for path in tmp_path.glob(".mace-*")] == [".mace-new.tmp"]


def test_names_are_plain_and_stay_in_the_folder(tmp_path):
    store = Store(tmp_path, 0)
    names = [store.path(name, "k" * 64).name for name in ("../../etc", "Jo O'Neil", "\u732b", "")]
    assert names == [f"{name}-{'k' * 32}.safetensors" for name in ("etc", "Jo_O_Neil", "x", "x")]


def test_keys():
    parts = {"concept": {"target": "ship"}, "steps": 50, "latents": torch.zeros(2, 2)}
    changed = [
        {**parts, "steps": 51},
        {**parts, "latents": torch.zeros(4)},
        {**parts, "more": 1},
        {**parts, "latents": torch.zeros(2, 2, dtype=torch.float64)},
        {**parts, "latents": torch.tensor([[0.0, 0.0], [0.0, -0.0]])},
    ]
    assert values_hash(**parts) == values_hash(**dict(reversed(parts.items())))
    assert len({values_hash(**each) for each in (parts, *changed)}) == 6


def test_the_same_content_is_the_same_file_in_every_process(tmp_path):
    """The safetensors library orders metadata differently in every process."""
    code = (
        "import torch, hashlib; from mace_core.files.tensor_file import tensor_bytes\n"
        "data = tensor_bytes({'b': torch.zeros(2), 'a': torch.ones(3)}, dict(z='1', y='2', x='3'))\n"
        "print(hashlib.sha256(data).hexdigest())"
    )
    answers = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(answers) == 1
    import safetensors.torch

    assert safetensors.torch.load(tensor_bytes(TENSORS, {"x": "1"}))["b"].tolist() == TENSORS["b"].tolist()


def test_a_lora_comes_back_whole():
    [lora] = random_loras(ENCODER, [SHIP], ToyAttentionModel().layers)
    again, losses = unpack_lora(*pack_lora(lora, [2.0, 0.1]))
    assert again.concept == SHIP and losses == [2.0, 0.1] and again.fingerprint == lora.fingerprint
    assert torch.equal(again.C, lora.C) and identical(again.low_rank, lora.low_rank)


def test_reading_refined_text_is_running_the_refined_network():
    """W T_c e = W (T_c e), and a LoRA on refined text converts to one on plain text."""
    text, plain = refined_text(ENCODER, SHIP), training_prompts(ENCODER, SHIP).encoded.embeddings
    T = refine([concept_moments(ENCODER, SHIP)], None, ALONE)
    model, refined = ToyAttentionModel(), ToyAttentionModel()
    refined.weights = {name: (W.double() @ T).float() for name, W in model.weights.items()}
    [lora] = random_loras(ENCODER, [SHIP], model.layers)
    x, t = torch.randn(2, 4, 4, 4), torch.tensor([300, 300])
    here = model.attention(x, t, text.prompts.encoded.embeddings[:2], lora.low_rank)
    there = refined.attention(x, t, plain[:2], on_plain_text(lora, text).low_rank)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(here, there, strict=True))
    assert torch.equal(on_plain_text(lora, text).C, concept_moments(ENCODER, SHIP).C)
    assert not torch.allclose(plain, text.prompts.encoded.embeddings, atol=1e-2)
