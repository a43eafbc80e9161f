"""Lists on the wire, as from a folder of images or texts: one training set, one prior, one count."""

import json

import pytest
import torch
from PIL import Image

from tests.host.calls import own_pictures, small_graph
from tests.host.graphs import CLIP, VAE, all_stages, base, draw, node, picture, stage_1

SHADES = (0.2, 0.5, 0.8)
CAPTIONS = ("a photo of a cat", "two dogs", "a red house")
PICTURES = torch.stack([torch.full((64, 64, 3), shade) for shade in SHADES])


@pytest.fixture(scope="module")
def graph(comfy):
    return small_graph(comfy)


def lists(value) -> list:
    return [part.clone() for part in value.split(1)]


def test_a_list_of_pictures_is_the_batch_of_them(comfy, graph):
    masks = torch.zeros(3, 64, 64)
    masks[:, 8:40, 16:48] = 1
    ((one,),) = own_pictures(comfy, graph.vae, PICTURES, masks=masks)
    ((other,),) = own_pictures(comfy, [graph.vae], lists(PICTURES), masks=lists(masks), other=[()])
    for name in ("latents", "masks", "pictures"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_transparent_pictures_among_them(comfy, graph):
    seen = [PICTURES[:1], torch.cat([PICTURES[1:2], torch.ones(1, 64, 64, 1)], -1)]
    ((made,),) = own_pictures(comfy, graph.vae, seen)
    assert torch.equal(made.pictures, own_pictures(comfy, graph.vae, PICTURES[:2])[0][0].pictures)


@pytest.mark.parametrize(
    "changed, said",
    [
        (
            {"images": [PICTURES[:1], torch.zeros(1, 64, 96, 3)]},
            r"'ship' .*64 x 64, 96 x 64",
        ),
        ({"images": []}, "no images of 'ship'"),
        ({"masks": [torch.ones(1, 64, 64)] * 2}, "3 images .*2 masks"),
        ({"concept": ["ship", "dog"]}, "list of 2 .*differ"),
    ],
)
def test_what_is_no_training_set(comfy, graph, changed, said):
    inputs = {"images": lists(PICTURES), "vae": [graph.vae], "concept": ["ship"], **changed}
    with pytest.raises(ValueError, match=said):
        comfy.call("MACE_TrainingSetFromImages", **inputs)


def test_sets_of_other_concepts_are_joined(comfy, graph):
    others = [
        comfy.call("MACE_TrainingSetFromImages", images=PICTURES, vae=graph.vae, concept=name)[0]
        for name in ("dog", "cat")
    ]
    (made,) = own_pictures(comfy, graph.vae, PICTURES, other=others)
    assert sorted(images.target for images in made) == ["cat", "dog", "ship"]


def test_a_list_of_captions_is_one_prior(comfy, graph):
    (one,) = comfy.call("MACE_PreservePrior", clip=graph.clip, captions="\n".join(CAPTIONS), weight=1.0)
    (other,) = comfy.call(
        "MACE_PreservePrior",
        clip=[graph.clip],
        captions=list(CAPTIONS),
        weight=[1.0],
        names=[""],
        file=["none"],
        everyday=[False],
    )
    assert torch.equal(one.P, other.P)
    (both,) = comfy.call(
        "MACE_PreservePrior", clip=[graph.clip], captions=["a tree"], weight=[1.0], other=[one, other]
    )
    (alone,) = comfy.call("MACE_PreservePrior", clip=graph.clip, captions="a tree", weight=1.0)
    torch.testing.assert_close(both.P, alone.P + 2 * one.P, rtol=1e-12, atol=0)  # summed in a different order


def test_a_list_is_counted_together(comfy, stand_in_detector):
    seen = [*lists(PICTURES), torch.zeros(2, 8, 6, 3)]
    text, record = comfy.call("MACE_CountExposed", images=seen, threshold=[0.6])
    assert json.loads(record)["exposed"] == len(stand_in_detector) == 5 and "in 5 images" in text


@pytest.fixture(scope="module")
def folder(host) -> str:
    """Images and their captions in the host's input folder."""
    path = host.base / "input" / "ships"
    path.mkdir(exist_ok=True)
    for at, (shade, caption) in enumerate(zip(SHADES, CAPTIONS, strict=True)):
        Image.new("RGB", (64, 64), (round(shade * 255),) * 3).save(path / f"{at}.png")
        (path / f"{at}.txt").write_text(caption)
    return path.name


def test_a_folder_of_pictures_is_one_erasure(client, folder):
    prompt = (
        all_stages()
        | draw("out", ["apply", 0])
        | {
            "folder": node("LoadImageDataSetFromFolder", folder=folder),
            "own": node("MACE_TrainingSetFromImages", images=["folder", 0], vae=VAE, concept="ship"),
        }
    )
    prompt["train"]["inputs"]["training_set"] = ["own", 0]
    assert len(client.run(prompt)["out"]["latents"]) == 1


def test_a_folder_of_texts_is_one_prior(client, folder):
    drawn = []
    for captions in (["folder", 1], "\n".join(CAPTIONS)):
        prompt = (
            base()
            | stage_1(prior=["prior", 0])
            | draw("out", ["refine", 0])
            | {
                "folder": node("LoadImageTextDataSetFromFolder", folder=folder),
                "prior": node("MACE_PreservePrior", clip=CLIP, captions=captions, weight=1.0),
            }
        )
        outputs = client.run(prompt)
        assert len(outputs["out"]["latents"]) == 1
        drawn.append(torch.frombuffer(bytearray(picture(client, outputs, "out")), dtype=torch.float32))
    # a folder has no order, so the sums can round differently
    torch.testing.assert_close(*drawn, rtol=0, atol=1e-4 * drawn[1].abs().max().item())
