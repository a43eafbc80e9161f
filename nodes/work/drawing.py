"""Training images with a cache: a longer list or a resumed run generates only the missing ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import torch

from ...mace_core.concepts.concepts import Concept
from ...mace_core.concepts.prompts import plain_prompt
from ...mace_core.files.hashes import values_hash
from ...mace_core.files.layout import Layout
from ...mace_core.files.store import find, keep
from ..host.fingerprints import is_told, model_fingerprint, vae_fingerprint
from ..host.progress import TimedProgress, labelled
from ..host.stores import store_of
from ..host.text_encoder import HostTextEncoder
from .generation import generated
from .remote import Workers, sent_out, workers_for
from .training_set import ConceptImages, TrainingSet

LAYOUT = Layout(
    {
        "latents": ((torch.float32,), 4),
        "heat": ((torch.float32,), 3),
        "pictures": ((torch.uint8,), 4),
    }
)
DRAWING = 2  # raise it when the same settings give other images or other heat


def drawn(
    model, encoder: HostTextEncoder, vae, concepts: Sequence[Concept], settings: Mapping, prompt=None
) -> TrainingSet:
    """The images of every concept, from the cache or generated and then cached.

    settings: as in `generated`; prompt: the graph, if the node runs in one.
    """
    amount = settings["images"] * settings["steps"]
    progress = TimedProgress("Draw concepts", len(concepts) * amount)
    key, store = drawing_key(model, vae, encoder, **settings), store_of("drawn")
    keys = {} if key is None else {each.target: _own_key(key, each) for each in concepts}
    found: dict[str, ConceptImages] = {}
    for concept in concepts:
        target, own = concept.target, keys.get(concept.target)
        if own and (kept := find(store, target, own, progress.warn, _kept_images)):
            found[target] = ConceptImages(target, kind=concept.kind, **kept)
    progress.cached(len(found), len(concepts))
    progress.skip(amount * len(found))
    missing = [(concept, label) for concept, label in labelled(concepts) if concept.target not in found]
    with workers_for(prompt, bool(missing), progress.warn, model, encoder, vae) as workers:
        if workers:
            made = _on_workers(workers, missing, settings, progress)
        else:
            made = _here(model, vae, encoder, missing, settings, progress)
        for concept, images in made:
            found[concept.target] = images
            if own := keys.get(concept.target):
                tensors = {"latents": images.latents, "heat": images.heat, "pictures": images.pictures}
                said = {"prompt": plain_prompt(concept).target}
                keep(store, concept.target, own, tensors, said, progress.warn)
    return tuple(found[concept.target] for concept in concepts)


def _here(model, vae, encoder, missing, settings, progress) -> Iterator[tuple[Concept, ConceptImages]]:
    for concept, label in missing:
        progress.say(label)
        advance = partial(progress.step, label)
        yield concept, generated(model, vae, encoder, concept, settings, advance)


def _on_workers(workers: Workers, missing, settings, progress) -> Iterator[tuple[Concept, ConceptImages]]:
    progress.say(sent_out(len(missing)))
    for place, images in workers.generated([concept for concept, _ in missing], settings):
        concept, label = missing[place]
        progress.step(label, settings["images"] * settings["steps"])
        yield concept, images


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


def _own_key(key: Mapping, concept: Concept) -> str:
    return values_hash(**key, prompt=asdict(plain_prompt(concept)))


def _kept_images(tensors: dict[str, torch.Tensor], _: dict) -> dict[str, torch.Tensor]:
    LAYOUT.check(tensors, "The file of training images")
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        raise ValueError("The file of training images has more of some than of others: make it again.")
    return tensors
