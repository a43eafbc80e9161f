"""NaN in a MODEL, VAE, judge, segmenter or input is reported with its source, and nothing is cached."""

import pytest
import torch

from tests.host.calls import NODES, draw, own_pictures, score, small_graph, view
from tests.host.graphs import CHECKPOINT
from tests.host.segmenters import write_detector, write_segmenter

NAN = float("nan")
LAYER = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v"
ENTRY = "diffusion_model.input_blocks.1.0.in_layers.2"  # before any attention


@pytest.fixture(scope="module")
def graph(comfy):
    return small_graph(comfy)


def damaged(model, layer: str, value: float = NAN):
    """A clone with NaN or infinity on the layer, as from a damaged LoRA."""
    clone = model.clone()
    weight = clone.model.get_submodule(layer).weight
    clone.add_patches({f"{layer}.weight": ("diff", (torch.full(weight.shape, value),))})
    return clone


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("value", [NAN, float("inf")])
@pytest.mark.parametrize("layer", [LAYER, ENTRY])
def test_a_model(comfy, graph, node, layer, value):
    kept = set(comfy.base.rglob("*"))
    with pytest.raises(ValueError, match="MODEL .*NaN"):
        node(comfy, graph, damaged(graph.model, layer, value))
    assert set(comfy.base.rglob("*")) == kept


@pytest.fixture(scope="module")
def damaged_vae(comfy):
    vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[2]
    with torch.inference_mode():
        for part in (vae.first_stage_model.taesd_encoder, vae.first_stage_model.taesd_decoder):
            next(part.parameters()).fill_(NAN)
    return vae


@pytest.mark.parametrize("node", NODES)
def test_a_vae(comfy, graph, node, damaged_vae):
    kept = set(comfy.base.rglob("*"))
    with pytest.raises(ValueError, match="VAE .*NaN .*valid latents"):
        node(comfy, graph, graph.model, vae=damaged_vae)
    assert set(comfy.base.rglob("*")) == kept


def test_pictures_and_masks_of_ones_own(comfy, graph, damaged_vae):
    grey, masks = torch.full((2, 64, 64, 3), 0.5), torch.ones(2, 64, 64)
    with pytest.raises(ValueError, match="VAE .*NaN .*valid images"):
        own_pictures(comfy, damaged_vae, grey)
    for pictures, mask, said in (
        (grey * NAN, masks, "images contain NaN"),
        (grey, masks * NAN, "masks of 'ship' .*NaN"),
    ):
        with pytest.raises(ValueError, match=said):
            own_pictures(comfy, graph.vae, pictures, masks=mask)
    drawn, _ = draw(comfy, graph)
    with pytest.raises(ValueError, match="masks contain NaN"):
        comfy.call(
            "MACE_MaskConcepts", training_set=drawn, method="attention", masks=torch.full((1, 64, 64), NAN)
        )


def test_a_latent(comfy, graph):
    with pytest.raises(ValueError, match="LATENT .*NaN"):
        view(comfy, graph, graph.model, latent={"samples": torch.full((1, 4, 8, 8), NAN)})


@pytest.mark.parametrize("form", ["LoRA", "full difference"])
def test_an_export_names_the_layer_and_writes_nothing(comfy, graph, form):
    options = {each.lower(): each for each in comfy.module("mace_core.erasure.export").FORMATS}
    _, erasure = comfy.call(
        "MACE_CrossAttnRefine", model=graph.model, clip=graph.clip, concepts=graph.concepts
    )
    kept = set(comfy.base.rglob("*"))
    with pytest.raises(ValueError, match=f"{LAYER} .*NaN"):
        comfy.call(
            "MACE_ExportErasure",
            model=damaged(graph.model, LAYER),
            erasure=erasure,
            rank=4,
            name="x",
            format=options[form.lower()],
        )
    assert {path for path in set(comfy.base.rglob("*")) - kept if path.is_file()} == set()


def test_a_judge(comfy, graph, monkeypatch):
    judge = comfy.module("mace_core.evaluation.judge").Judge
    monkeypatch.setattr(judge, "image_features", lambda self, images: torch.full((len(images), 8), NAN))
    monkeypatch.setattr(judge, "text_features", lambda self, texts: torch.ones(len(texts), 8))
    with pytest.raises(ValueError, match="judge 'bundled.*NaN"):
        score(comfy, graph, graph.model)


@pytest.mark.parametrize("broken", ["detector", "segmenter"])
def test_a_segmenter(comfy, graph, monkeypatch, tmp_path, broken):
    segment = comfy.module("nodes.host.segmenters")
    write_detector(tmp_path / "detector")
    write_segmenter(tmp_path / "segmenter")
    read = segment._read

    def damage(family, folder):
        processor, model = read(family, folder)
        if folder.name == broken:
            for weight in model.parameters():
                weight.data.fill_(NAN)
        return processor, model

    monkeypatch.setattr(segment, "_read", damage)
    picture = torch.zeros(64, 64, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"in '{tmp_path / broken}' .*NaN"):
        segment.find_boxes(tmp_path / "detector", [(picture, "ship")], 0.0, 0.0, lambda _: None)
        segment.cut_masks(
            tmp_path / "segmenter", [picture], [torch.tensor([[8.0, 8.0, 40.0, 40.0]])], 0.5, lambda _: None
        )
