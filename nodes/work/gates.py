"""The gate of an erasure, concept by concept, and what it promises."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from ...mace_core.concepts.concepts import Concept
from ...mace_core.concepts.prompts import templates_naming
from ...mace_core.encoder.text_encoder import TextEncoder
from ...mace_core.erasure.calibrate import Calibrated, Reference, calibrated_gate, reference_of
from ...mace_core.erasure.calibrate_pooled import PooledReference
from ...mace_core.erasure.gate import Gate, joined
from ...mace_core.erasure.harden import hardened, moment_of_weights, words_of
from ...mace_core.files.hashes import values_hash
from ...mace_core.files.layout import Layout
from ...mace_core.files.shown import one_line, shown
from ...mace_core.files.store import find, keep
from ...mace_core.refinement.prior import Prior
from ..host.fingerprints import is_told
from ..host.progress import Progress, check_interrupted
from ..host.stores import store_of
from ..host.weights import weight_in_force

REFERENCE = 2  # raise it when the same text encoder gives another reference
_FLOATS = (torch.float32,)
_TOKENS = {
    "centres": (_FLOATS, 2),
    "whitening": (_FLOATS, 2),
    "rows": (_FLOATS, 3),
    "beside": (_FLOATS, 3),
}
_POOLED = {
    "pooled centre": (_FLOATS, 1),
    "pooled spread": (_FLOATS, 2),
    "pooled rows": (_FLOATS, 2),
    "pooled beside": (_FLOATS, 2),
}
LAYOUT, LAYOUT_POOLED = Layout(_TOKENS), Layout(_TOKENS | _POOLED)
NAMED = 3  # concepts that the text under the node names
EVERY_PROMPT, APART = 0.9, 0.7  # below and above: worth a word


class GateMaker:
    """Collects the gates of concepts. The reference of a text encoder is cached.

    harden: rounds of hardening, 0 for none; M: as for `hardened`, needed if there are any.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        concepts: Sequence[Concept],
        prior: Prior | None,
        progress: Progress,
        harden: int = 0,
        M: Tensor | None = None,
    ):
        self._naming = templates_naming(concepts)
        self._encoder, self._prior, self._progress = encoder, prior, progress
        self._reference: Reference | None = None
        self._rounds, self._M, self._words = harden, M, None
        self._made: list[tuple[Gate, Calibrated]] = []

    def add(self, concept: Concept) -> None:
        """Calibrate the gate of one more concept. Raises ValueError as `calibrated_gate` does."""
        if self._reference is None:
            self._reference = _reference_once(self._encoder, self._progress)
        gate, promise = calibrated_gate(self._encoder, concept, self._prior, self._reference, self._naming)
        if self._rounds:
            gate = hardened(gate, self._encoder, concept, self._M, self._others(), self._rounds)
        self._made.append((gate, promise))

    def _others(self) -> Mapping[str, Tensor]:
        """The words of everyday names and of the prior's captions, encoded once."""
        if self._words is None:
            texts = (*self._reference.texts, *(self._prior.texts if self._prior else ()))
            self._words = words_of(self._encoder, texts)
        return self._words

    def gate(self) -> Gate | None:
        """The gate of all concepts so far; None without any."""
        return joined([gate for gate, _ in self._made]) if self._made else None

    def promises(self) -> str:
        """One line for the user: how many prompts open the gate, and which concepts are hard to tell
        apart."""
        told = [each for _, each in self._made]
        if not told:
            return ""
        caught = sum(each.caught for each in told) / len(told)
        lines = [f"The gate catches {caught:.0%} of new prompts."]
        if missed := [each for each in told if each.caught < EVERY_PROMPT]:
            lines.append(
                f"Less for {_named([f'{one_line(each.target)} ({each.caught:.0%})' for each in missed])}."
            )
        if near := [each for each in told if each.nearest > APART]:
            names = _named([f"{one_line(each.phrase)} from {shown(each.text)}" for each in near])
            lines.append(f"Hard to tell apart: {names}.")
        return " ".join(lines)


def projections_moment(model, layers: Iterable[str]) -> Tensor:
    """M `[d, d]` float64 as for `hardened`: of the text projections of a MODEL, with its LoRAs."""

    def weight(layer: str) -> Tensor:
        check_interrupted()
        return weight_in_force(model, f"{layer}.weight")

    return moment_of_weights(map(weight, layers))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _reference_once(encoder: TextEncoder, progress: Progress) -> Reference:
    def on_batch(done: int, total: int) -> None:
        check_interrupted()

    if not is_told(encoder.fingerprint):
        return reference_of(encoder, on_batch)
    store, key = store_of("cache"), values_hash(reference=REFERENCE, encoder=encoder.fingerprint)
    if kept := find(store, "reference", key, progress.warn, partial(_kept, encoder.fingerprint)):
        return kept
    made = reference_of(encoder, on_batch)
    tensors = {name: getattr(made, name) for name in _TOKENS}
    if (pooled := made.pooled) is not None:
        values = (pooled.centre, pooled.spread, pooled.rows, pooled.beside)
        tensors |= dict(zip(_POOLED, values, strict=True))
    description = {"texts": list(made.texts), "texts_beside": list(made.texts_beside)}
    keep(store, "reference", key, tensors, description, progress.warn)
    return made


def _kept(fingerprint: str, tensors: dict[str, Tensor], description: dict) -> Reference:
    """The reference in a file of the cache."""
    has_pooled = len(tensors) > len(_TOKENS)
    (LAYOUT_POOLED if has_pooled else LAYOUT).check(tensors, "The file of a reference")
    texts, d = [description.get(name) for name in ("texts", "texts_beside")], tensors["whitening"].shape[-1]
    shapes = [tuple(tensors[name].shape) for name in LAYOUT.tensors]
    fits = all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in texts)
    pooled = PooledReference(*map(tensors.pop, _POOLED)) if has_pooled else None
    n, m = map(len, texts) if fits else (0, 0)
    if has_pooled:
        (p,), (width, _) = pooled.centre.shape, pooled.spread.shape
        fits = fits and (pooled.rows.shape, pooled.beside.shape, width) == ((n + 1, p), (m, p), p)
    if not fits or shapes != [(3, d), (d, d), (n, 3, d), (m, 4, d)]:
        raise ValueError("The reference of a gate has another form: make it again.")
    names, two = map(tuple, texts)
    return Reference(**tensors, texts=names, texts_beside=two, fingerprint=fingerprint, pooled=pooled)
