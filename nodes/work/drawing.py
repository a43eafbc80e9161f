"""Cached training images: a longer list or a resumed run generates only the missing ones."""

from collections.abc import Callable
from dataclasses import asdict

import torch

from ...mace_core.files.hashes import values_hash
from ...mace_core.files.layout import Layout
from ...mace_core.files.store import find, keep
from ..host.fingerprints import is_told, model_fingerprint, vae_fingerprint
from ..host.stores import store_of
from .training_set import ConceptImages

LAYOUT = Layout(
    {
        "latents": ((torch.float32,), 4),
        "heat": ((torch.float32,), 3),
        "pictures": ((torch.uint8,), 4),
    }
)
DRAWING = 2  # raise it when the same settings give other images or other heat


def drawing_key(model, vae, encoder, **settings) -> dict | None:
    """The part of the cache key that all images of a run share.

    None, which means no caching, if the MODEL, VAE or CLIP has no fingerprint that another run would repeat.
    """
    network, decoder = model_fingerprint(model), vae_fingerprint(vae)
    if network is None or decoder is None or not is_told(encoder.fingerprint):
        return None
    return {
        "drawing": DRAWING,
        "network": network,
        "vae": decoder,
        "encoder": encoder.fingerprint,
        **settings,
    }


def drawn_once(
    key: dict | None, concept, prompt, draw: Callable[[], ConceptImages], report: Callable[[str], None]
) -> tuple[ConceptImages, bool]:
    """The images of one concept, from the cache or from `draw`, whose result is then cached.

    The second result says whether they came from the cache. report: gets a sentence if the cache cannot be
    used.
    """
    if key is None:
        return draw(), False
    store, own = store_of("drawn"), values_hash(**key, prompt=asdict(prompt))
    if kept := find(store, concept.target, own, report, _kept_images):
        return ConceptImages(concept.target, kind=concept.kind, **kept), True
    images = draw()
    tensors = {"latents": images.latents, "heat": images.heat, "pictures": images.pictures}
    keep(store, concept.target, own, tensors, {"prompt": prompt.target}, report)
    return images, False


def _kept_images(tensors: dict[str, torch.Tensor], _: dict) -> dict[str, torch.Tensor]:
    LAYOUT.check(tensors, "The file of training images")
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        raise ValueError("The file of training images has more of some than of others: make it again.")
    return tensors
