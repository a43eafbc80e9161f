"""A VAE or LATENT of another family gets a one-sentence error, before any work if its format is known."""

from types import SimpleNamespace

import pytest
import torch

from tests.host.calls import NODES, draw, own_pictures, small_graph, view

GREY = torch.full((2, 64, 64, 3), 0.5)


@pytest.fixture(scope="module")
def graph(comfy):
    return small_graph(comfy)


@pytest.fixture(scope="module")
def sixteen_channels(comfy):
    """The host's own small VAE with 16 channels, as in SD3 and Flux."""
    import comfy.sd
    from comfy.taesd.taesd import TAESD

    return comfy.sd.VAE(sd=TAESD(latent_channels=16).state_dict())


class Wrapped:
    """A VAE of another pack, which declares no format; one latent is 4 x 4 pixels."""

    def decode(self, latents):
        return torch.zeros(len(latents), latents.shape[2] * 4, latents.shape[3] * 4, 3)

    def encode(self, images):
        return torch.zeros(len(images), 4, images.shape[1] // 4, images.shape[2] // 4)


@pytest.mark.parametrize("node", NODES)
def test_nothing_is_drawn_for_it(comfy, graph, node, sixteen_channels, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an image was generated for a VAE that cannot decode it")

    monkeypatch.setattr(comfy.module("nodes.host.sampling").comfy.sample, "sample", refuse)
    with pytest.raises(ValueError, match="VAE .*16 channels"):
        node(comfy, graph, graph.model, vae=sixteen_channels)


@pytest.mark.parametrize("node", NODES)
def test_what_it_makes_tells(comfy, graph, node):
    with pytest.raises(ValueError, match=r"VAE .*\[1, 32, 32, 3\] .*\[1, 64, 64, 3\]"):
        node(comfy, graph, graph.model, vae=Wrapped())


def test_own_pictures(comfy, sixteen_channels):
    for vae, makes in (
        (sixteen_channels, "16 channels"),
        (Wrapped(), r"\[2, 4, 16, 16\] .*\[2, 4, 8, 8\]"),
    ):
        with pytest.raises(ValueError, match=f"VAE .*{makes}"):
            own_pictures(comfy, vae, GREY)


@pytest.mark.parametrize("shape", [(1, 16, 8, 8), (1, 4, 3, 8, 8)])
def test_a_latent_of_another_family(comfy, graph, shape):
    with pytest.raises(ValueError, match="LATENT has the shape"):
        view(comfy, graph, graph.model, latent={"samples": torch.ones(shape)})


def test_a_vae_of_another_pack_is_taken_and_nothing_is_kept_of_it(comfy, graph):
    """Any object that decodes and encodes is a VAE, but it has no fingerprint."""
    wrapper = SimpleNamespace(decode=graph.vae.decode, encode=graph.vae.encode)
    assert own_pictures(comfy, wrapper, GREY)[0][0].latents.shape == (2, 4, 8, 8)
    kept = set(comfy.base.rglob("*.safetensors"))
    assert draw(comfy, graph, vae=wrapper)[1].shape == (1, 64, 64, 3)
    assert set(comfy.base.rglob("*.safetensors")) == kept
