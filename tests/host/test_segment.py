"""Masks from words: tiny random GroundingDINO and SAM models, through the code that runs the real ones."""

import shutil
import socket

import pytest
import torch

from tests.host.segmenters import all_boxes, all_masks, put_into_cache, write_detector, write_segmenter
from tests.rounding import apart

PICTURES = (torch.rand(3, 48, 64, 3, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
ALL = {"box_threshold": 0.0, "text_threshold": 0.0}
NODE = "MACE_MaskConcepts"


@pytest.fixture(scope="module")
def models(comfy, tmp_path_factory):
    """A models/mace with both models in its folder `segmenters`."""
    folder = tmp_path_factory.mktemp("mace")
    write_detector(folder / "segmenters" / "IDEA-Research" / "tiny-dino")
    write_segmenter(folder / "segmenters" / "tiny-sam")
    return folder


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path, models):
    """An empty Hugging Face cache, no network, and a function that sets the path of models/mace."""
    import folder_paths
    import huggingface_hub.constants

    def refuse(*_):
        raise AssertionError("a download was attempted")

    def mace_is(folder):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(folder)], {".safetensors"}))
        monkeypatch.setattr(folder_paths, "filename_list_cache", {})

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    mace_is(models)
    return mace_is


@pytest.fixture
def segment(comfy):
    return comfy.module("nodes.host.segmenters")


@pytest.fixture
def images(comfy):
    """A concept's images, as Draw Concepts outputs them."""
    made = comfy.module("nodes.work.training_set").ConceptImages

    def of(target="ship", pictures=PICTURES, **inputs):
        n, height, width = pictures.shape[:3]
        latents = torch.arange(n).view(n, 1, 1, 1).expand(n, 4, height // 8, width // 8).float()
        return made(target, latents, pictures=pictures, **inputs)

    return of


def grounded(comfy, *sets, **inputs):
    return comfy.call(NODE, training_set=sets, method="grounded-sam", **ALL | inputs)


def boxes(segment, detector, phrase="ship", **thresholds):
    values = [(ALL | thresholds)[name] for name in ALL]
    with torch.inference_mode():
        return segment.find_boxes(detector, [(each, phrase) for each in PICTURES], *values, lambda at: None)


def cut(segment, segmenter, picture, its_boxes) -> list[torch.Tensor]:
    with segment._loaded(segment.SEGMENTER, segmenter) as sam, torch.no_grad():
        return list(segment._cut(*sam, picture, its_boxes))


def test_boxes_and_masks_are_those_of_transformers_own_functions(comfy, segment, images):
    detector, segmenter = segment.chosen()
    *_, masks = grounded(comfy, images())
    for picture, its_boxes, mask in zip(PICTURES, boxes(segment, detector), masks, strict=True):
        theirs = all_boxes(detector, picture, "ship.")
        assert len(theirs) == 4 and apart(its_boxes, theirs) < 1e-4  # a few layers in float32
        [logits] = cut(segment, segmenter, picture, its_boxes)
        assert torch.equal(logits, all_masks(segmenter, picture, its_boxes, binarize=False))
        whole = all_masks(segmenter, picture, its_boxes, binarize=True).any(0)
        assert 0 < whole.float().mean() < 1 and torch.equal(mask.bool(), whole)


def test_masks_do_not_depend_on_how_many_boxes_are_cut_at_once(comfy, segment, images, monkeypatch):
    detector, segmenter = segment.chosen()
    *_, at_once = grounded(comfy, images())
    monkeypatch.setattr(segment, "BOXES_AT_ONCE", 3)
    *_, in_parts = grounded(comfy, images())
    for number, its_boxes in enumerate(boxes(segment, detector)):
        parts = cut(segment, segmenter, PICTURES[number], its_boxes)
        assert [len(part) for part in parts] == [3, 1]
        logits = all_masks(segmenter, PICTURES[number], its_boxes, binarize=False)
        rounding = 1e-4  # batches use different kernels: this float32 network rounds to a few 1e-6
        assert apart(torch.cat(parts), logits) < rounding < apart(logits[:3], logits[1:]) / 10
        clear = (logits.abs() > rounding * logits.abs().max()).all(0)  # the others can fall on either side
        assert clear.float().mean() > 0.99
        assert torch.equal(at_once[number][clear], in_parts[number][clear])


@pytest.mark.parametrize("phrase", ["ship", "red cars"])
@pytest.mark.parametrize("name", ["box_threshold", "text_threshold"])
def test_a_higher_threshold_keeps_fewer_boxes(segment, phrase, name):
    detector, _ = segment.chosen()
    counts = [sum(map(len, boxes(segment, detector, phrase, **{name: value}))) for value in (0, 0.5, 0.8, 1)]
    assert counts == sorted(counts, reverse=True) and 12 == counts[0] > counts[1] > counts[3] == 0


def test_a_higher_mask_threshold_makes_smaller_masks(comfy, images):
    small, middle, large = (grounded(comfy, images(), mask_threshold=cut)[1] for cut in (0.9, 0.5, 0.1))
    assert (small <= middle).all() and (middle <= large).all() and small.sum() < middle.sum() < large.sum()


def test_a_picture_without_the_concept_is_left_out_and_named(comfy, segment, images, caplog):
    with segment._loaded(segment.DETECTOR, segment.chosen()[0]) as (processor, model, _), torch.no_grad():
        inputs = [processor(images=each.numpy(), text="ship.", return_tensors="pt") for each in PICTURES]
        best = torch.stack([model(**each).logits[0, :, 1].max() for each in inputs]).sigmoid()
    threshold = float(best.sort().values[:2].mean())  # between the worst image and the next
    shown = (best >= threshold).tolist()
    assert sum(shown) == 2
    (masked,), masks = grounded(comfy, images(heat=torch.rand(3, 6, 8)), box_threshold=threshold)
    kept = [number for number, there in enumerate(shown) if there]
    assert masked.latents[:, 0, 0, 0].tolist() == kept and torch.equal(masked.pictures, PICTURES[kept])
    assert len(masked.heat) == len(masked.masks) == len(kept) and masked.masks.flatten(1).amax(1).min() == 1
    assert len(masks) == 3 and [bool(mask.max()) for mask in masks] == shown
    absent = ", ".join(str(number + 1) for number, there in enumerate(shown) if not there)
    assert f"in {3 - len(kept)} of its 3 images (number {absent})" in caplog.text


def test_a_concept_found_nowhere_is_an_error_not_a_whole_image(comfy, images):
    with pytest.raises(ValueError, match="'ship' .*none of its 3 images"):
        grounded(comfy, images(), box_threshold=1.0)


def test_kinds_mix_and_a_style_is_everywhere(comfy, images, monkeypatch):
    module, asked = comfy.module("nodes.work.masking"), []
    find = module.find_boxes

    def listen(folder, pictures, *rest):
        asked.extend(phrase for _, phrase in pictures)
        return find(folder, pictures, *rest)

    monkeypatch.setattr(module, "find_boxes", listen)
    style = images("Van Gogh", PICTURES[:1, :, :32], kind="style")
    sets = images("the Ship"), style, images("Elon Musk", PICTURES[1:], kind="person")
    masked, masks = grounded(comfy, *sets)
    assert asked == 3 * ["ship"] + 2 * ["person"]
    assert masked[1].masks.shape == (1, 48, 32) and masked[1].masks.min() == 1
    assert masked[0].masks.min() == masked[2].masks.min() == 0
    assert masks.shape == (6, 48, 64)
    assert [each.target for each in masked] == ["the Ship", "Van Gogh", "Elon Musk"]


@pytest.mark.parametrize("method", ["attention", "whole image", "grounded-sam"])
def test_styles_alone_need_neither_models_nor_attention(comfy, images, places, tmp_path, method):
    places(tmp_path)
    (masked,), masks = comfy.call(NODE, training_set=(images("Van Gogh", kind="style"),), method=method)
    assert masked.masks.min() == masks.min() == 1


def test_masks_of_any_other_segmenter_for_several_concepts(comfy, images, caplog):
    given = torch.zeros(6, 24, 32)
    given[0, :12] = given[1, 12:] = given[5, :, 16:] = 0.75
    sets = images(), images("Van Gogh", PICTURES[:2], kind="style"), images("cat", PICTURES[:1])
    for method in ("attention", "grounded-sam"):  # given masks override the method
        (ship, style, cat), masks = comfy.call(NODE, training_set=sets, method=method, masks=given)
        assert ship.latents[:, 0, 0, 0].tolist() == [0, 1] and ship.masks.shape == (2, 48, 64)
        assert ship.masks[0, :24].min() == 0.75 and ship.masks[0, 24:].max() == 0
        assert style.masks.min() == 1 and len(style.masks) == 2
        assert torch.equal(cat.masks[0], masks[5]) and cat.masks[0, :, 32:].min() == 0.75
    assert "in 1 of its 3 images (number 3)" in caplog.text
    with pytest.raises(ValueError, match="6 images .*5 masks"):
        comfy.call(NODE, training_set=sets, method="attention", masks=given[:5])
    with pytest.raises(ValueError, match="'cat' .*none of its 1 images"):
        comfy.call(NODE, training_set=sets, method="attention", masks=given.roll(1, 0))


def test_what_is_missing_is_said_with_both_models_and_the_folder(comfy, images, places, models, tmp_path):
    places(tmp_path)
    with pytest.raises(ValueError) as caught:
        grounded(comfy, images())
    said = str(caught.value)
    assert "no GroundingDINO and no SAM" in said and "models/mace/segmenters" in said
    assert "IDEA-Research/grounding-dino-tiny" in said and "facebook/sam-vit-base" in said
    assert said.count(". ") == 0 and said.endswith(".")
    shutil.copytree(models / "segmenters" / "tiny-sam", tmp_path / "segmenters" / "tiny-sam")
    with pytest.raises(ValueError, match="no GroundingDINO on this machine"):
        grounded(comfy, images())


def test_the_lists_hold_folders_first_and_then_the_hugging_face_cache(segment, models, tmp_path):
    assert segment.choices(segment.DETECTOR) == ["auto", "IDEA-Research/tiny-dino"]
    assert segment.choices(segment.SEGMENTER) == ["auto", "tiny-sam"]
    cached = put_into_cache(models / "segmenters" / "tiny-sam", tmp_path / "hub", "facebook/sam-vit-large")
    assert segment.choices(segment.SEGMENTER) == ["auto", "tiny-sam", "facebook/sam-vit-large"]
    assert segment.chosen()[1] == models / "segmenters" / "tiny-sam"
    assert segment.chosen("auto", "facebook/sam-vit-large")[1] == cached
    with pytest.raises(ValueError, match="no SAM .*'../tiny-sam'"):
        segment.chosen("auto", "../tiny-sam")


def test_a_model_in_the_cache_is_used_without_a_folder(comfy, images, places, models, tmp_path):
    for name, repository in (
        ("IDEA-Research/tiny-dino", "IDEA-Research/grounding-dino-base"),
        ("tiny-sam", "facebook/sam-vit-base"),
    ):
        put_into_cache(models / "segmenters" / name, tmp_path / "hub", repository)
    here = grounded(comfy, images())[1]
    places(tmp_path)
    assert torch.equal(grounded(comfy, images())[1], here)


@pytest.mark.parametrize("damage", ["no weights", "pickled weights", "half the weights", "no processor"])
def test_a_folder_that_cannot_be_read(comfy, images, places, models, tmp_path, damage):
    shutil.copytree(models / "segmenters", tmp_path / "segmenters")
    folder = tmp_path / "segmenters" / "tiny-sam"
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    if damage == "no processor":
        (folder / "processor_config.json").unlink()
    elif damage == "half the weights":
        weights.write_bytes(whole[: len(whole) // 2])
    else:
        weights.unlink()
    if damage == "pickled weights":
        torch.save({}, folder / "pytorch_model.bin")
    places(tmp_path)
    with pytest.raises(ValueError, match="SAM .*tiny-sam' cannot be read"):
        grounded(comfy, images())


def test_the_models_are_no_erasures(comfy, models):
    host = comfy.module("nodes.host.folders")
    assert host.erasure_names() == []
    with pytest.raises(ValueError, match="no erasures"):
        host.check_new_name("segmenters/no_ships")


def test_drawn_concepts_are_segmented_and_trained(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors")
    (concepts,) = comfy.call(
        "MACE_EraseConcepts", concepts="ship -> sea\nstyle: mosaic -> art", kind="object"
    )
    drawn, _ = comfy.call(
        "MACE_DrawConcepts",
        model=model,
        clip=clip,
        vae=vae,
        concepts=concepts,
        images=2,
        steps=1,
        cfg=4.0,
        seed=0,
        width=64,
        height=64,
    )
    masked, masks = grounded(comfy, *drawn)
    assert masks[:2].min() == 0 and masks[2:].min() == 1
    refined, _ = comfy.call(
        "MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, preserve_weight=0.0, ridge=10.0
    )
    loras, _ = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=1,
        learning_rate=1e-2,
        seed=0,
    )
    assert [lora.concept.target for lora in loras] == ["ship", "mosaic"]


def test_a_style_of_ones_own_pictures(comfy, images):
    vae = comfy.call("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors")[2]
    (own,) = comfy.call(
        "MACE_TrainingSetFromImages",
        images=PICTURES[:1].float() / 255,
        vae=vae,
        concept="style: Van Gogh",
        other=(images(),),
    )
    (ship, style), _ = grounded(comfy, *own)
    assert (style.target, style.kind) == ("Van Gogh", "style") and style.masks.min() == 1 > ship.masks.min()
    with pytest.raises(ValueError, match="unknown kind 'art'"):
        comfy.call("MACE_TrainingSetFromImages", images=PICTURES / 255, vae=vae, concept="art: Van Gogh")
