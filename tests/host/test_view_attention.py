"""View Attention on the miniature."""

import pytest
import torch

from tests.host.calls import refined_graph


@pytest.fixture(scope="module")
def graph(comfy):
    return refined_graph(comfy)


def attention(comfy, graph, **changed):
    inputs = {
        "before": graph.model,
        "clip": graph.clip,
        "vae": graph.vae,
        "latent": graph.latent,
        "prompt": "a photo of a ship",
        "seed": 1,
        "steps": 2,
        "cfg": 4.0,
        **changed,
    }
    return comfy.call("MACE_ViewAttention", **inputs)


def test_a_picture_given_or_drawn_shows_the_same_maps(comfy, graph):
    drawn, _ = attention(comfy, graph)
    sampling = comfy.module("nodes.host.sampling")
    encoder = comfy.module("nodes.host.text_encoder").HostTextEncoder(graph.clip)
    with torch.inference_mode():
        latents = sampling.draw_latents(
            graph.model,
            encoder.conditioning("a photo of a ship"),
            encoder.conditioning(""),
            1,
            (64, 64),
            2,
            4.0,
            1,
            lambda count: None,
        )
    given, _ = attention(comfy, graph, latent={"samples": latents})
    assert torch.equal(drawn, given)


def test_a_second_model_adds_a_row_and_equal_models_look_alike(comfy, graph):
    one, _ = attention(comfy, graph)
    same, _ = attention(comfy, graph, after=graph.model)
    other, _ = attention(comfy, graph, after=graph.refined)
    assert same.shape[1] > one.shape[1] and other.shape == same.shape
    assert not torch.equal(same, other)


def test_every_word_has_its_share(comfy, graph):
    words = comfy.module("nodes.host.heat_maps")
    encoder = comfy.module("nodes.host.text_encoder").HostTextEncoder(graph.clip)
    with torch.inference_mode():
        names, heat = words.word_maps(graph.model, encoder, "a photo of a ship", torch.randn(2, 4, 8, 8))
    assert names == ("a", "photo", "of", "a", "ship", "(end)") and heat.shape == (6, 8, 8)
    assert heat.min() > 0 and heat.sum(0).max() < 1  # the rest belongs to the start token


def test_masks_are_shown_when_there_are_some(comfy, graph):
    drawn, _ = comfy.call(
        "MACE_DrawConcepts",
        model=graph.model,
        clip=graph.clip,
        vae=graph.vae,
        concepts=graph.concepts,
        images=2,
        steps=1,
        cfg=4.0,
        seed=0,
        width=64,
        height=64,
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    _, masks = attention(comfy, graph, training_set=masked)
    assert masks.shape[0] == 1 and masks.std() > 0.05
    _, blocked = attention(comfy, graph)
    assert "Mask Concepts" in blocked.message
    with pytest.raises(ValueError, match="'ship' .*no masks"):
        attention(comfy, graph, training_set=drawn)
