"""Right checksums but another form, in erasures and kept results: one sentence, and nothing large is read."""

import json
import time
import tracemalloc

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.erasure.erasure_file import load_erasure
from mace_core.files.hashes import tensor_hash, text_hash
from mace_core.files.store import Store, find, keep
from mace_core.files.tensor_file import tensor_bytes
from mace_core.training.lora import ConceptLoRA, Provenance, pack_lora, unpack_lora
from mace_core.training.settings import TrainSettings
from tests.core.toy import low_rank

LAYER = "diffusion_model.a.attn2.to_k"
TENSORS = {"T": torch.eye(8), f"U.{LAYER}": torch.ones(6, 2), f"D.{LAYER}": torch.ones(2, 8)}
DESCRIPTION = {
    "format_version": 1,
    "pack_version": "0.1.0",
    "concepts": [{"target": "ship", "surrogate": "sea"}],
    "settings": {"refine": {"preserve_weight": 1e-4, "ridge": 10.0}},
    "text_encoder": "text",
    "base": "base",
}


def write(path, tensors: dict, description: object) -> None:
    """An erasure file with right checksums, whatever it holds."""
    if isinstance(description, dict) and "sha256" not in description:
        hashes = {name: tensor_hash(tensor).hexdigest() for name, tensor in tensors.items()}
        description = {**description, "sha256": hashes}
    text = description if isinstance(description, str) else json.dumps(description)
    metadata = {"mace_erasure": text, "mace_erasure_sha256": text_hash(text)}
    path.write_bytes(tensor_bytes(tensors, metadata))


def refused(path) -> str:
    """The sentence of the error."""
    started = time.process_time()
    with pytest.raises(ValueError) as error:
        load_erasure(path)
    said = str(error.value)
    assert type(error.value) is ValueError and path.name in said
    assert said.isprintable() and said.endswith(".") and len(said) < 400
    assert time.process_time() - started < 2
    return said


def test_the_good_one(tmp_path):
    write(tmp_path / "x.safetensors", TENSORS, DESCRIPTION)
    assert torch.equal(load_erasure(tmp_path / "x.safetensors").T, torch.eye(8))


def other(**tensors) -> dict:
    named = {{"U": f"U.{LAYER}", "D": f"D.{LAYER}"}.get(name, name): each for name, each in tensors.items()}
    return {name: each for name, each in {**TENSORS, **named}.items() if each is not None}


FORMS = {
    "T of whole numbers": other(T=torch.eye(8, dtype=torch.int64)),
    "T in float16": other(T=torch.eye(8).half()),
    "T in float64": other(T=torch.eye(8).double()),
    "T a number": other(T=torch.tensor(1.0)),
    "T a vector": other(T=torch.ones(8)),
    "T a cube": other(T=torch.ones(8, 8, 8)),
    "T not square": other(T=torch.ones(8, 7)),
    "T empty": other(T=torch.ones(0, 0), U=None, D=None),
    "no T": other(T=None),
    "no D": other(D=None),
    "no U": other(U=None),
    "U of bytes": other(U=torch.ones(6, 2, dtype=torch.uint8)),
    "U in float64": other(U=torch.ones(6, 2).double()),
    "U and D of different types": other(U=torch.ones(6, 2).half()),
    "U a vector": other(U=torch.ones(6)),
    "another rank": other(D=torch.ones(3, 8)),
    "another width": other(D=torch.ones(2, 7)),
    "no rank": other(U=torch.ones(6, 0), D=torch.ones(0, 8)),
    "more rank than LoRAs have": other(U=torch.ones(6, 65), D=torch.ones(65, 8)),
    "another tensor": other(V=torch.ones(1)),
    "T with NaN": other(T=torch.full((8, 8), float("nan"))),
    "U with infinity": other(U=torch.full((6, 2), float("inf"))),
}


GATE = {
    "gate.centres": torch.zeros(3, 8),
    "gate.whitening": torch.eye(8),
    "gate.prototypes": torch.ones(3, 1, 8),
    "gate.ramps": torch.ones(4, 2, 1),
}
POOLED = {
    "pooled.up": torch.ones(6, 2),
    "pooled.down": torch.ones(2, 6),
    "pooled.centre": torch.ones(6),
    "pooled.spread": torch.ones(6, 3),
    "pooled.prototypes": torch.ones(1, 6),
    "pooled.ramps": torch.ones(2, 1),
}
WHOLE = {**TENSORS, **GATE, **POOLED}


def test_the_good_one_with_a_gate_and_a_pooled_part(tmp_path):
    write(tmp_path / "x.safetensors", WHOLE, {**DESCRIPTION, "format_version": 2})
    assert load_erasure(tmp_path / "x.safetensors").pooled.width == 6


FORMS |= {
    "a pooled part without a gate": {**TENSORS, **POOLED},
    "another pooled tensor": {**WHOLE, "pooled.more": torch.ones(1)},
    "pooled factors of another width": {**WHOLE, "pooled.up": torch.ones(5, 2)},
    "pooled factors of another rank": {**WHOLE, "pooled.down": torch.ones(3, 6)},
    "no pooled rank": {**WHOLE, "pooled.up": torch.ones(6, 0), "pooled.down": torch.ones(0, 6)},
    "more pooled rank than width": {**WHOLE, "pooled.up": torch.ones(6, 7), "pooled.down": torch.ones(7, 6)},
    "a wide spread": {**WHOLE, "pooled.spread": torch.ones(6, 7)},
    "another number of phrases": {**WHOLE, "pooled.ramps": torch.ones(2, 2)},
    "a pooled centre that is a matrix": {**WHOLE, "pooled.centre": torch.ones(6, 1)},
    "pooled numbers in float16": {**WHOLE, "pooled.up": torch.ones(6, 2).half()},
    "pooled NaN": {**WHOLE, "pooled.up": torch.full((6, 2), float("nan"))},
    **{f"no {name}": {key: each for key, each in WHOLE.items() if key != name} for name in POOLED},
}


@pytest.mark.parametrize("case", FORMS)
def test_tensors_of_another_form(tmp_path, case):
    write(tmp_path / "x.safetensors", FORMS[case], DESCRIPTION)
    try:
        load_erasure(tmp_path / "x.safetensors")
    except ValueError as error:
        assert type(error) is ValueError and str(error).endswith(".") and str(error).isprintable()
    else:
        raise AssertionError("accepted")


WITHOUT = object()
DESCRIPTIONS = [
    *({name: WITHOUT} for name in DESCRIPTION),
    *({name: value} for name in DESCRIPTION for value in (None, 7, [], {}, "x", [[]], True)),
    {"format_version": 3},
    {"format_version": 1.5},
    {"format_version": 10**30},
    {"format_version": "1"},
    {"format_version": 0},
    {"concepts": [{"target": "ship"}]},
    {"concepts": [{"target": 7, "surrogate": "sea"}]},
    {"concepts": [{"target": "", "surrogate": "sea"}]},
    {"concepts": [{"target": "a\0", "surrogate": "sea"}]},
    {"concepts": [{"target": "a\nb\ud800", "surrogate": "sea"}]},
    {"concepts": [{"target": "ship", "surrogate": "sea", "kind": "colour\n"}]},
    {"concepts": [{"target": "ship", "surrogate": "sea", "synonyms": "boat"}]},
    {"concepts": {"0": {}}},
    {"settings": {"refine": {"ridge": float("nan")}}},
    {"settings": {"refine": {"ridge": "10"}}},
    {"settings": {"refine": {"ridge": 10**400}}},
    {"settings": {"train": {"ship\n": 7}}},
    {"settings": {"train": {"ship": {"settings": {"steps": 0}, "images": 1, "final_loss": 0.5}}}},
    {"sha256": {}},
    {"sha256": None},
    {"sha256": {"T": 7}},
]
GOOD = ({"pack_version": "x"}, {"text_encoder": "x"}, {"base": "x"}, {"concepts": []}, {"settings": {}})


@pytest.mark.parametrize("changes", DESCRIPTIONS, ids=lambda each: str(each)[:60])
def test_descriptions_of_another_form(tmp_path, changes):
    description = {name: value for name, value in {**DESCRIPTION, **changes}.items() if value is not WITHOUT}
    write(tmp_path / "x.safetensors", TENSORS, description)
    if changes in GOOD:
        load_erasure(tmp_path / "x.safetensors")
    else:
        refused(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "text",
    ["", "[", "7", "null", '"x"', "[" * 100_000, '{"format_version": ' + "7" * 100_000 + "}"],
)
def test_descriptions_that_are_no_object(tmp_path, text):
    write(tmp_path / "x.safetensors", TENSORS, text)
    refused(tmp_path / "x.safetensors")


def file_of(header: object, data: int, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(data)


GOOD_ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
HEADERS = {
    "a list": file_of(b"{[]}", 16),
    "deep": file_of(b'{"a":' + b"[" * 200_000, 16),
    "long": file_of({}, 0, 2**63),
    "longer than the file": file_of({}, 16, 1000),
    "no entries": file_of({"T": 7}, 16),
    "no shape": file_of({"T": {"dtype": "F32", "data_offsets": [0, 16]}}, 16),
    "a shape of texts": file_of({"T": {**GOOD_ENTRY, "shape": ["2", "2"]}}, 16),
    "a negative shape": file_of({"T": {**GOOD_ENTRY, "shape": [-2, -2]}}, 16),
    "a true shape": file_of({"T": {**GOOD_ENTRY, "shape": [True, 4]}}, 16),
    "a huge shape": file_of({"T": {**GOOD_ENTRY, "shape": [2**62, 2**62]}}, 16),
    "a long number": file_of(
        b'{"T":{"dtype":"F32","shape":[' + b"9" * 100_000 + b'],"data_offsets":[0,16]}}', 16
    ),
    "three offsets": file_of({"T": {**GOOD_ENTRY, "data_offsets": [0, 8, 16]}}, 16),
    "turned offsets": file_of({"T": {**GOOD_ENTRY, "data_offsets": [16, 0]}}, 16),
    "a gap": file_of({"T": {**GOOD_ENTRY, "data_offsets": [16, 32]}}, 32),
    "overlapping": file_of({"T": GOOD_ENTRY, "U": GOOD_ENTRY}, 16),
    "more data": file_of({"T": GOOD_ENTRY}, 17),
    "an unknown type": file_of({"T": {**GOOD_ENTRY, "dtype": []}}, 16),
    "metadata of numbers": file_of({"__metadata__": {"mace_erasure": 7}, "T": GOOD_ENTRY}, 16),
    "metadata that is a list": file_of({"__metadata__": [], "T": GOOD_ENTRY}, 16),
    "metadata with half a character": file_of(b'{"__metadata__":{"mace_erasure":"\\ud800"}}', 0),
    "not UTF-8": file_of(b'{"\xff":1}', 16),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_of_another_form(tmp_path, case):
    path = tmp_path / "x.safetensors"
    path.write_bytes(HEADERS[case])
    refused(path)


@pytest.mark.parametrize("length", [2, 2**31, 2**40])
def test_of_a_huge_false_file_only_the_header_is_read(tmp_path, length):
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b"{}")
        file.truncate(3 * 2**30)  # sparse
    tracemalloc.start()
    refused(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_of_a_huge_matrix_nothing_is_read(tmp_path):
    path, size = tmp_path / "x.safetensors", 3 * 2**30
    text = json.dumps({**DESCRIPTION, "sha256": {"T": "0" * 64}})
    side = 28_378
    header = {
        "__metadata__": {"mace_erasure": text, "mace_erasure_sha256": text_hash(text)},
        "T": {"dtype": "F32", "shape": [side, side], "data_offsets": [0, side * side * 4]},
    }
    data = file_of(header, 0)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + side * side * 4)
    assert side * side * 4 > size and "do not fit together" in refused(path)


C = torch.eye(8, dtype=torch.float64)
LORA = ConceptLoRA(
    Concept("ship", "sea"), low_rank({LAYER: torch.ones(6, 2)}, {LAYER: torch.ones(2, 8)}), C, "text",
    Provenance(TrainSettings(), 8, 0.5),
)  # fmt: skip
KEPT_TENSORS, KEPT = pack_lora(LORA, [0.5, 0.25])
KEPT_FORMS = [
    ({"C": None}, {}),
    ({"C": torch.eye(8)}, {}),
    ({"C": torch.ones(8, 7, dtype=torch.float64)}, {}),
    ({"C": torch.tensor(1.0, dtype=torch.float64)}, {}),
    ({"x": torch.ones(1)}, {}),
    ({f"U.{LAYER}": None}, {}),
    ({f"U.{LAYER}": torch.ones(6)}, {}),
    ({f"D.{LAYER}": torch.ones(2, 7)}, {}),
    *(({}, {name: value}) for name in KEPT for value in (WITHOUT, 7, [7], {}, "x") if (name, value) not in (
        ("provenance", WITHOUT), ("fingerprint", "x"),
        ("losses", [7]))),
]  # fmt: skip


@pytest.mark.parametrize("tensors, changes", KEPT_FORMS, ids=lambda each: str(each)[:40])
def test_a_kept_lora_of_another_form_is_made_again(tmp_path, tensors, changes):
    store, said = Store(tmp_path, 10**6), []
    found = {name: each for name, each in {**KEPT_TENSORS, **tensors}.items() if each is not None}
    keep(
        store, "ship", "key", found, {k: v for k, v in {**KEPT, **changes}.items() if v is not WITHOUT}, print
    )
    assert find(store, "ship", "key", said.append, unpack_lora) is None
    assert len(said) == 1 and said[0].isprintable() and not store.path("ship", "key").exists()


def test_a_kept_lora_is_read_back(tmp_path):
    store = Store(tmp_path, 10**6)
    keep(store, "ship", "key", KEPT_TENSORS, KEPT, print)
    lora, losses = find(store, "ship", "key", print, unpack_lora)
    assert (lora.concept, lora.provenance, losses) == (LORA.concept, LORA.provenance, [0.5, 0.25])
