"""Cached priors: a text encoder encodes the same captions only once."""

from ...mace_core.files.hashes import values_hash
from ...mace_core.files.store import find, keep
from ...mace_core.refinement.prior import Prior, prior_from_captions
from ..host.fingerprints import is_told
from ..host.progress import Progress
from ..host.stores import store_of

PRIOR = 1  # raise it when the same captions give another prior


def prior_once(encoder, captions: list[str], progress: Progress) -> Prior:
    """The prior of these captions with weight 1, from the cache, or computed and then cached."""
    if not is_told(encoder.fingerprint):
        return _measured(encoder, captions, progress)
    store = store_of("cache")
    key = values_hash(prior=PRIOR, encoder=encoder.fingerprint, captions=sorted(captions))
    if kept := find(store, "prior", key, progress.warn):
        return Prior(kept[0]["P"], kept[1]["captions"], encoder.fingerprint)
    prior = _measured(encoder, captions, progress)
    keep(store, "prior", key, {"P": prior.P}, {"captions": prior.captions})
    return prior


def _measured(encoder, captions: list[str], progress: Progress) -> Prior:
    done = 0

    def on_batch(count, total) -> None:
        nonlocal done
        progress.step(f"caption {count} of {total}", count - done)
        done = count

    return prior_from_captions(encoder, captions, 1.0, on_batch, encoder.device)
