"""Every wrong input gets a one-sentence error that says how to fix it, and the server keeps running."""

import json

import pytest
import safetensors.torch
import torch

from dev.host.client import ExecutionFailed, InvalidPrompt
from tests.host.graphs import CLIP, MODEL, VAE, all_stages, apply, base, draw, node, picture, score, stage_1


def concepts(text: str, synonyms: str = "") -> dict:
    prompt = base() | stage_1(text) | draw("out", ["refine", 0])
    prompt["concepts"]["inputs"]["synonyms"] = synonyms
    return prompt


def from_file(name: str) -> dict:
    prompt = concepts("")
    prompt["concepts"]["inputs"]["file"] = name
    return prompt


def changed(name: str, **inputs) -> dict:
    prompt = all_stages() | draw("out", ["apply", 0])
    prompt[name]["inputs"].update(inputs)
    return prompt


def with_prior(**inputs) -> dict:
    prior = {"clip": CLIP, "captions": "a photo of a cat", "weight": 1.0, **inputs}
    return changed("refine", prior=["prior", 0]) | {"prior": node("MACE_PreservePrior", **prior)}


def masks_of(size: int, color: int) -> dict:
    """Two masks of a given size and color, for own_images."""
    return {
        "masks": node("ImageToMask", image=["mask_images", 0], channel="red"),
        "mask_images": node("EmptyImage", width=size, height=size, batch_size=2, color=color),
    }


def other_family() -> dict:
    wan = {"wan": node("UNETLoader", unet_name="tiny_wan.safetensors", weight_dtype="default")}
    return base() | stage_1(model=["wan", 0]) | draw("out", ["refine", 0]) | wan


def own_images(masks: dict | None, concept: str = "ship") -> dict:
    """Two grey images as the training set."""
    prompt = changed("train", training_set=["own", 0]) | {
        "grey": node("EmptyImage", width=64, height=64, batch_size=2, color=0x808080),
        "own": node("MACE_TrainingSetFromImages", images=["grey", 0], vae=VAE, concept=concept),
    }
    if masks:
        prompt["own"]["inputs"]["masks"] = ["masks", 0]
        prompt |= masks
    return prompt


def scored(**inputs) -> dict:
    return base() | stage_1() | score(**inputs)


def attention(**inputs) -> dict:
    settings = {"prompt": "a ship", "seed": 0, "steps": 1, "cfg": 4.0, **inputs}
    return all_stages() | {
        "look": node("MACE_ViewAttention", before=MODEL, clip=CLIP, vae=VAE, latent=["latent", 0], **settings)
    }


def suggested(targets: str) -> dict:
    return base() | {
        "suggest": node(
            "MACE_SuggestSurrogate", clip=CLIP, targets=targets, kind="object", candidates="", keep=""
        )
    }


def other_clip(name: str) -> dict:
    skip = node("CLIPSetLastLayer", clip=CLIP, stop_at_clip_layer=-2)
    return changed(name, clip=["skip", 0]) | {"skip": skip}


def loaded(name: str) -> dict:
    return (
        base()
        | {"load": node("MACE_LoadErasure", name=name)}
        | apply("apply", ["load", 0])
        | draw("out", ["apply", 0])
    )


NOT_IN_LIST = "Value not in list: file"  # from newer hosts, which validate choices themselves


def refused_list(sentence: str) -> str:
    return f"{sentence}|{NOT_IN_LIST}"


BAD = {
    "an empty list": (lambda: concepts(""), "list of concepts is empty"),
    "only a comment": (lambda: concepts("# ship -> sea"), "list of concepts is empty"),
    "no surrogate": (lambda: concepts("ship"), "Line 1 'ship'"),
    "an empty surrogate": (lambda: concepts("ship ->"), "Line 1 'ship ->'"),
    "two surrogates": (lambda: concepts("ship -> sea\nship -> sky"), "two surrogates"),
    "synonyms of an unlisted concept": (lambda: concepts("ship -> sea", "cat: kitty"), "not in the list"),
    "a missing list": (
        lambda: from_file("input/nothing.csv"),
        refused_list("no file 'input/nothing.csv'"),
    ),
    "a list outside the folder": (lambda: from_file("input/../host.log"), refused_list("inside input")),
    "a list name that no log can hold": (
        lambda: from_file("input/\ud800.csv"),
        refused_list(r"no file 'input/\\ud800.csv'"),
    ),
    "a name that no log can hold": (
        lambda: all_stages() | {"save": node("MACE_SaveErasure", erasure=["refine", 1], name="\ud800")},
        "character",
    ),
    "a list of another kind": (
        lambda: from_file("models/mace/wide.safetensors"),
        refused_list("extensions"),
    ),
    "a list with a wrong line": (lambda: from_file("input/wrong.csv"), "'input/wrong.csv'.*line 3"),
    "too long": (lambda: concepts("ship " * 90 + "-> sea"), "has 77"),
    "tokens not found": (lambda: concepts("\\ -> sea"), "not found in the tokens"),
    "an embedding": (lambda: concepts("object: embedding:x -> sea"), "textual-inversion embedding"),
    "two targets": (lambda: concepts("ship, boat -> sea"), r"'ship \(boat\)'"),
    "an open bracket": (lambda: concepts("ship (boat -> sea"), "has a bracket"),
    "a target in its surrogate": (lambda: concepts("ship -> a big ship"), "contains 'ship'"),
    "a synonym in its surrogate": (lambda: concepts("ship -> a boat trip", "boat"), "contains 'boat'"),
    "only captions too long": (lambda: with_prior(captions="a cat " * 60), "line 1 of the captions"),
    "a caption too long, strictly": (
        lambda: with_prior(captions="a cat\n" + "a cat " * 60, strict=True),
        "Line 2 of the captions",
    ),
    "zero images": (lambda: changed("drawn", images=0), "must be at least 1"),
    "rank 0": (lambda: changed("train", rank=0), "must be at least 1"),
    "NaN in a prior": (lambda: with_prior(weight="nan"), "'weight' is nan, but must be a number"),
    "no captions": (lambda: with_prior(captions=" \n"), "no captions"),
    "fewer masks": (
        lambda: own_images({"masks": node("SolidMask", width=64, height=64, value=1.0)}),
        "2 images .* 1 mask",
    ),
    "smaller masks": (lambda: own_images(masks_of(32, 0xFFFFFF)), "64 x 64 .*32 x 32"),
    "a black mask": (lambda: own_images(masks_of(64, 0)), "black everywhere"),
    "images of another concept": (lambda: own_images(None, "cat"), "no images of 'ship'"),
    "images without a concept": (lambda: own_images(None, " "), "have no concept"),
    "no masks": (lambda: changed("train", training_set=["drawn", 0]), "have no masks"),
    "another CLIP to apply": (lambda: other_clip("apply"), "another text encoder"),
    "another CLIP to fuse": (lambda: other_clip("fuse"), "text encoders .* differ"),
    "an unrefined MODEL": (lambda: changed("train", refined=MODEL), "not refined for 'ship'"),
    "generating an erased concept": (lambda: changed("drawn", model=["refine", 0]), "already erases 'ship'"),
    "erasing twice": (lambda: changed("apply", model=["refine", 0]), "already erases 'ship'"),
    "a missing file": (lambda: loaded("nothing.safetensors"), "not in models/mace"),
    "a truncated file": (lambda: loaded("truncated.safetensors"), "is truncated"),
    "not safetensors": (lambda: loaded("text.safetensors"), "not a safetensors file"),
    "another kind": (lambda: loaded("lora.safetensors"), "another kind"),
    "another width": (lambda: loaded("wide.safetensors"), "width 768"),
    "a path": (lambda: loaded("../wide.safetensors"), "inside models/mace"),
    "a missing judge": (lambda: scored(judge="clip/none"), "Judge 'clip/none' not found"),
    "preserved and erased": (lambda: scored(keep="the ship"), "preserved and erased"),
    "an embedding to look at": (lambda: attention(prompt="a embedding:x"), "textual-inversion"),
    "two targets to suggest for": (lambda: suggested("ship, boat"), r"'ship \(boat\)'"),
    "a prompt without words": (lambda: attention(prompt=" "), "no words"),
    "masks not created yet": (lambda: attention(training_set=["drawn", 0]), "have no masks"),
    "nothing to suggest for": (lambda: suggested(""), "list of concepts is empty"),
    "another family": (other_family, "This MODEL is WAN21"),
}


@pytest.fixture(scope="module", autouse=True)
def files(host):
    """Broken and unrelated files in models/mace, and a model of a family without attn2."""
    from mace_core.erasure.erasure import Erasure
    from mace_core.erasure.erasure_file import save_erasure
    from mace_core.training.factors import LowRank

    folder = host.base / "models" / "mace"
    save_erasure(Erasure(torch.eye(768), LowRank(), ()), folder / "wide.safetensors")
    whole = (folder / "wide.safetensors").read_bytes()
    (folder / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "text.safetensors").write_text(json.dumps({"a": 1}))
    safetensors.torch.save_file({"a": torch.zeros(1)}, folder / "lora.safetensors")
    (host.base / "input" / "wrong.csv").write_text("target,surrogate\nship,sea\ndog,\n")
    unets = host.base / "models" / "diffusion_models"
    unets.mkdir(exist_ok=True)
    safetensors.torch.save_file(tiny_wan(), unets / "tiny_wan.safetensors")


def tiny_wan() -> dict[str, torch.Tensor]:
    """The minimum of a video transformer that the host needs to recognise it."""
    return {
        "head.modulation": torch.zeros(1, 2, 128),
        "head.head.weight": torch.zeros(64, 128),
        "patch_embedding.weight": torch.zeros(128, 16, 1, 2, 2),
        "blocks.0.ffn.0.weight": torch.zeros(128, 128),
    }


@pytest.fixture(scope="module")
def good(client) -> bytes:
    return picture(client, client.run(base() | draw("good", MODEL)), "good")


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_and_the_server_goes_on(client, good, case):
    prompt, sentence = BAD[case][0](), BAD[case][1]
    with pytest.raises((InvalidPrompt, ExecutionFailed), match=sentence) as caught:
        client.run(prompt)
    said = str(caught.value)
    assert "\n" not in said and "Traceback" not in said
    assert said.endswith(".") or NOT_IN_LIST in said
    assert picture(client, client.run(base() | draw("good", MODEL, again=1)), "good") == good
