"""Files of others: lists, captions, erasures and kept results, whole, changed and cut."""

import json

from hypothesis import given
from hypothesis import strategies as st

from mace_core.concepts.caption_files import read_captions
from mace_core.concepts.concept_files import read_concepts
from mace_core.erasure.erasure_file import load_erasure
from mace_core.files.store import Store, find, keep
from mace_core.training.lora import unpack_lora
from tests.core.test_erasure_forms import DESCRIPTION, KEPT, KEPT_TENSORS, TENSORS, write
from tests.fuzz.answers import answer
from tests.fuzz.texts import typed

ENDINGS = (".csv", ".json", ".yaml", ".yml", ".txt", ".xlsx", "")
FIELDS = ("target", "surrogate", "kind", "synonyms", "caption", "annotations", "<<", "")
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), typed),
    lambda each: st.one_of(
        st.lists(each, max_size=4), st.dictionaries(st.sampled_from(FIELDS), each, max_size=4)
    ),
    max_leaves=12,
)
entries = st.fixed_dictionaries(
    {"target": typed, "surrogate": typed}, optional={"kind": typed, "synonyms": st.lists(typed, max_size=3)}
)
LISTS = (
    'target,surrogate,kind,synonyms\nship,sea,,"boat, vessel"\nVan Gogh,art,style,\n',
    'sep=;\ncaption;id\na cat;1\n"two\ndogs";2\n',
    '[\n{"target": "ship", "surrogate": "sea", "synonyms": ["boat"]},\n{"target": "a", "surrogate": "b"}]',
    '{"annotations": [{"id": 1, "caption": "a cat"}, {"id": 2, "caption": "a dog"}]}',
    "# mine\n- {target: ship, surrogate: sea, synonyms: [boat, vessel]}\n- target: a\n  surrogate: 'b c'\n",
    "ship (boat) -> sea\nstyle: Van Gogh -> art # x\n",
)


@st.composite
def changed(draw, whole: bytes) -> bytes:
    """The bytes with a few places changed, cut out, doubled, or with something put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data[start:end] = draw(
            st.one_of(st.binary(max_size=8), st.just(bytes(data[start:end]) * 3), typed.map(_encoded))
        )
    return bytes(data)


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")


contents = st.one_of(
    st.binary(max_size=300),
    typed.map(_encoded),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.lists(entries, max_size=4).map(lambda each: json.dumps(each).encode()),
    st.sampled_from(LISTS).flatmap(lambda text: changed(text.encode())),
)


@given(contents, st.sampled_from(ENDINGS))
def test_lists_of_concepts(data, ending):
    answer(read_concepts, data, f"a{ending}", size=len(data))


@given(contents, st.sampled_from(ENDINGS))
def test_captions(data, ending):
    for caption in answer(read_captions, data, f"a{ending}", size=len(data)) or ():
        assert caption.strip() == caption != ""


def _written(folder, tensors, description) -> bytes:
    path = folder / "whole.safetensors"
    write(path, tensors, description)
    return path.read_bytes()


@given(st.data())
def test_changed_erasures(tmp_path_factory, data):
    """Whatever is read back is what was saved: no change passes the checksums."""
    folder = tmp_path_factory.getbasetemp()
    path, whole = folder / "x.safetensors", _written(folder, TENSORS, DESCRIPTION)
    path.write_bytes(data.draw(changed(whole)))
    erasure = answer(load_erasure, path, size=path.stat().st_size)
    if erasure is not None:
        assert erasure.T.equal(TENSORS["T"]) and erasure.concepts[0].target == "ship"


@given(
    st.dictionaries(st.sampled_from(tuple(DESCRIPTION)), json_values),
    st.dictionaries(st.sampled_from(("concepts", "settings")), st.lists(entries, max_size=3)),
)
def test_descriptions_of_erasures(tmp_path_factory, values, lists):
    path = tmp_path_factory.getbasetemp() / "x.safetensors"
    write(path, TENSORS, {**DESCRIPTION, **values, **lists})
    answer(load_erasure, path, size=path.stat().st_size)


header_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.sampled_from(("F32", "F16", "F8_E4M3", ""))
    ),
    lambda each: st.lists(each, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_headers_of_erasures(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path, whole = folder / "x.safetensors", _written(folder, TENSORS, DESCRIPTION)
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    name = data.draw(st.sampled_from(sorted(header)))
    if data.draw(st.booleans()):
        field = data.draw(st.sampled_from(("dtype", "shape", "data_offsets", "mace_erasure")))
        header[name][field] = data.draw(header_values)
    else:
        header[name] = data.draw(header_values)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    answer(load_erasure, path, size=path.stat().st_size)


@given(st.data())
def test_changed_kept_results(tmp_path_factory, data):
    store, said = Store(tmp_path_factory.getbasetemp() / "kept", 10**6), []
    keep(
        store,
        "ship",
        "key",
        KEPT_TENSORS,
        {**KEPT, **data.draw(st.dictionaries(st.sampled_from(tuple(KEPT)), json_values))},
        said.append,
    )
    path = store.path("ship", "key")
    path.write_bytes(data.draw(changed(path.read_bytes())))
    found = answer(find, store, "ship", "key", said.append, unpack_lora, size=1000)
    assert (found is None) == bool(said) and all(each.isprintable() for each in said)
