"""Any value in any widget and on any socket: one sentence or a result, and the server goes on."""

import inspect
import json
import math

import pytest

from dev.host.client import ExecutionFailed, InvalidPrompt
from tests.host.graphs import CLIP, MODEL, VAE, base, node, probe, score, stage_1

BIG = 4_000_000
TEXTS = {
    "half a character": "a\ud800b",
    "NUL": "a\0b -> c",
    "line breaks": "a\r\nb\u2028c\n\n -> d",
    "right to left": "a\u202eb -> \u202ec",
    "ESC": "\x1b[31mship -> sea",
    "one line of 4 MB": "x" * BIG,
    "4 MB of spaces": "a" + " " * BIG + "b -> c",
    "4 MB of lines": "a -> b\n" * (BIG // 7),
}
ERASURE = ["refine", 1]
GRAPHS = {
    "MACE_EraseConcepts": lambda: stage_1() | {"out": node("PreviewAny", source=["concepts", 0])},
    "MACE_PreservePrior": lambda: {
        "prior": node("MACE_PreservePrior", clip=CLIP, captions="a cat", weight=1.0, names="", file="none"),
        "out": node("PreviewAny", source=["prior", 0]),
    },
    "MACE_TrainingSetFromImages": lambda: {
        "grey": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
        "own": node("MACE_TrainingSetFromImages", images=["grey", 0], vae=VAE, concept="ship"),
        "out": node("PreviewAny", source=["own", 0]),
    },
    "MACE_SaveErasure": lambda: stage_1() | {"out": node("MACE_SaveErasure", erasure=ERASURE, name="x")},
    "MACE_LoadErasure": lambda: {
        "load": node("MACE_LoadErasure", name="x.safetensors"),
        "out": node("PreviewAny", source=["load", 0]),
    },
    "MACE_ExportErasure": lambda: (
        stage_1()
        | {"out": node("MACE_ExportErasure", model=MODEL, erasure=ERASURE, format="LoRA", rank=1, name="x")}
    ),
    "MACE_SuggestSurrogate": lambda: {
        "out": node(
            "MACE_SuggestSurrogate", clip=CLIP, targets="ship", kind="object", candidates="", keep="cat"
        )
    },
    "MACE_ViewAttention": lambda: {
        "out": node(
            "MACE_ViewAttention",
            **{"before": MODEL, "clip": CLIP, "vae": VAE, "latent": ["latent", 0]},
            **{"prompt": "a ship", "seed": 0, "steps": 1, "cfg": 4.0},
        )
    },
    "MACE_ScoreErasure": lambda: stage_1() | score(steps=1),
    "MACE_ProbeErasure": lambda: stage_1() | probe(learning_steps=0),
}
WIDGETS = {
    "MACE_EraseConcepts": ("concepts", "synonyms", "file", "kind"),
    "MACE_PreservePrior": ("captions", "names", "file"),
    "MACE_TrainingSetFromImages": ("concept",),
    "MACE_SaveErasure": ("name",),
    "MACE_LoadErasure": ("name",),
    "MACE_ExportErasure": ("name", "format"),
    "MACE_SuggestSurrogate": ("targets", "candidates", "keep"),
    "MACE_ViewAttention": ("prompt",),
    "MACE_ScoreErasure": ("keep", "synonyms", "judge", "never_named"),
    "MACE_ProbeErasure": ("prompts",),
}
CASES = [(node_id, widget) for node_id, widgets in WIDGETS.items() for widget in widgets]


def with_value(node_id: str, name: str, value) -> dict:
    """A small prompt in which one input of a node has this value."""
    prompt = base() | GRAPHS[node_id]()
    next(each for each in prompt.values() if each["class_type"] == node_id)["inputs"][name] = value
    return prompt


def answered(client, prompt: dict) -> str:
    """The sentence of the error, empty after a run without one."""
    try:
        client.run(prompt)
    except InvalidPrompt as error:
        return str(error)
    except ExecutionFailed as error:
        assert error.data["exception_type"] == "ValueError", error.data["traceback"]
        said = str(error)
        assert said.endswith(".") and len(said) < 700 and said.isprintable()
        return said
    return ""


def test_every_text_widget_is_tried(object_info):
    """The lists above name every widget for text, and every choice that is not only constants."""
    for name, info in object_info.items():
        if not name.startswith("MACE_"):
            continue
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        texts = {each for each, declared in inputs.items() if declared[0] == "STRING"}
        assert texts <= set(WIDGETS.get(name, ())), name


@pytest.mark.parametrize("node_id, widget", CASES)
def test_any_text_and_the_next_prompt_runs(client, node_id, widget):
    for number, (case, text) in enumerate(TEXTS.items()):
        answered(client, with_value(node_id, widget, text))
        alive = {
            "latent": node("EmptyLatentImage", width=64, height=64 + 8 * number, batch_size=1),
            "alive": node("SaveLatent", samples=["latent", 0], filename_prefix=f"{node_id}{widget}{number}"),
        }
        assert client.run(alive)["alive"]["latents"], case


VALUES = [None, 3, True, 1e400, math.nan, "", "inf", {}, {"a": 1}, [], *TEXTS.values()]


def test_what_the_host_asks_first_never_raises(comfy):
    """The host shows no error from a fingerprint, and one from a check as an exception of its own."""
    asked = 0
    for node_id in (name for name in comfy.nodes if name.startswith("MACE_")):
        node_class = comfy.nodes[node_id]
        texts = {each.id for each in node_class.define_schema().inputs if each.get_io_type() == "STRING"}
        for method in {"validate_inputs", "fingerprint_inputs"} & node_class.__dict__.keys():
            names = inspect.signature(getattr(node_class, method)).parameters.keys() - {"_"}
            for value in VALUES:
                given = {name: str(value) if name in texts else value for name in names}  # as the host does
                answer = getattr(node_class, method)(**given)
                assert answer is True or len(answer.encode()) < 900, (node_id, method)
                asked += 1
    assert asked > 100


WRITTEN = ["x", "", 3, 0.5, True, None, {"samples": 3}]


def test_a_literal_on_any_socket(comfy):
    """Older and newer hosts pass it on."""
    for node_id in (name for name in comfy.nodes if name.startswith("MACE_")):
        for each in comfy.nodes[node_id].define_schema().inputs:
            if hasattr(each, "default"):
                continue
            for value in WRITTEN:
                if value is None and each.optional:
                    continue
                if isinstance(value, dict) and each.get_io_type() == "LOSS_MAP":
                    continue
                with pytest.raises(ValueError, match=f"'{each.id}' is .*connect") as error:
                    comfy.call(node_id, **{each.id: value})
                assert str(error.value).endswith(".")


def test_a_number_or_choice_that_no_widget_gives(comfy):
    """On a wire, nothing is checked by any host."""
    tried = 0
    for node_id in (name for name in comfy.nodes if name.startswith("MACE_")):
        for each in comfy.nodes[node_id].define_schema().inputs:
            kind = each.get_io_type()
            if kind in ("INT", "FLOAT"):
                wrong = [math.nan, math.inf, -math.inf, "inf", True, None, each.max + 1, each.min - 1]
            elif kind == "COMBO":
                wrong = [3, None if not each.optional else 7, True, {}]
            else:
                continue
            for value in (value for value in wrong if value is not None or not each.optional):
                tried += 1
                with pytest.raises(ValueError, match=f"'{each.id}' is ") as error:
                    comfy.call(node_id, **{each.id: value})
                assert str(error.value).endswith(".")
    assert tried > 100


@pytest.mark.parametrize(
    "node_id, name, value, said",
    [
        ("MACE_ScoreErasure", "images", "inf", "Failed to convert an input value to a INT value"),
        ("MACE_ScoreErasure", "images", math.inf, "Failed to convert an input value to a INT value"),
        ("MACE_ScoreErasure", "judge", 3, "Judge 3 not found|not in"),
        ("MACE_ScoreErasure", "judge", None, "'judge' is None|not in"),
        ("MACE_ScoreErasure", "cfg", math.nan, "'cfg' is nan, but must be a number"),
        ("MACE_PreservePrior", "weight", math.nan, "'weight' is nan, but must be a number"),
        ("MACE_EraseConcepts", "kind", 3, "'kind' is 3, but must be one of|not in"),
        ("MACE_EraseConcepts", "kind", None, "'kind' is None, but must be one of|not in"),
        ("MACE_EraseConcepts", "file", 3, "'file' is 3, but must be one of|not in"),
        ("MACE_LoadErasure", "name", 3, "name is 3|not in"),
        ("MACE_SaveErasure", "erasure", "x", "'erasure' is 'x', but must come from another node"),
        ("MACE_ViewAttention", "latent", {"samples": 3}, "'latent' is .*connect an Empty Latent Image"),
        ("MACE_SuggestSurrogate", "clip", 3, "'clip' is 3, but must come from another node"),
    ],
)
def test_on_the_server(client, node_id, name, value, said):
    prompt = json.loads(json.dumps(with_value(node_id, name, value)))
    with pytest.raises((InvalidPrompt, ExecutionFailed), match=said) as error:
        client.run(prompt)
    assert "\n" not in str(error.value) and "Traceback" not in str(error.value)


RESERVED = ("concepts/x", "./concepts/x", "CONCEPTS/x", "Cache/a/b", "drawn\\x", "judges/x", "segmenters/x")


@pytest.mark.parametrize("name", RESERVED)
def test_an_erasure_never_lies_among_the_caches(comfy, name):
    assert "holds no erasures" in comfy.nodes["MACE_SaveErasure"].validate_inputs(name)


@pytest.mark.parametrize("node_id", ["MACE_SaveErasure", "MACE_ExportErasure"])
def test_a_name_below_a_file(comfy, node_id):
    for folder in (comfy.base / "models" / "mace", comfy.base / "output" / "mace"):
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "file").write_text("")
    said = comfy.nodes[node_id].validate_inputs("file/x")
    assert said == f"'file/x' is inside 'file', which is a file in {PLACES[node_id]}: use another name."
    assert "takes 240 bytes" in comfy.nodes[node_id].validate_inputs("x" * 240)
    assert "'..'" not in comfy.nodes[node_id].validate_inputs("a:b")


PLACES = {"MACE_SaveErasure": "models/mace", "MACE_ExportErasure": "output/mace"}
