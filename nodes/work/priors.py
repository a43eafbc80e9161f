"""Cached priors: a text encoder encodes the same captions only once. Captions it cannot use are left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from ...mace_core.concepts.caption_files import FORMATS, LARGEST, numbered_captions
from ...mace_core.concepts.captions import captions_of_names
from ...mace_core.concepts.lines import numbered
from ...mace_core.files.hashes import values_hash
from ...mace_core.files.layout import Layout
from ...mace_core.files.shown import shown
from ...mace_core.files.store import find, keep
from ...mace_core.refinement.prior import Prior, prior_from_captions
from ..host.files import NONE, read_file
from ..host.fingerprints import is_told
from ..host.progress import Progress
from ..host.stores import store_of

PRIOR = 1  # raise it when the same captions give another prior
_P, _ENDS = ((torch.float64,), 2), ((torch.float32,), 3)
# early files have no ends, and only SDXL's text encoders have pooled vectors
LAYOUT = Layout({"P": _P, "ends*": _ENDS, "pooled P*": _P, "pooled ends*": _ENDS})
NAMED = 3  # captions that were left out and that a warning names


@dataclass(frozen=True)
class Source:
    """Where captions come from: ``read`` yields (number, caption); ``place`` says what is numbered, as in
    "line {} of 'input/a.txt'"."""

    place: str
    read: Callable[[], Iterator[tuple[int, str]]]


@dataclass
class LeftOut:
    """Captions that cannot be used: how many, the first few as [caption, why], and whether there are more."""

    sources: Sequence[Source]
    strict: bool = False
    count: int = 0
    first: list[list[str]] = field(default_factory=list)
    more: bool = False

    def add(self, count: int, captions: Sequence[list[str]], more: bool = False) -> None:
        """``count`` captions, all of them in ``captions`` unless there are ``more``.

        Raises ValueError, with the place of the first one, if none can be left out.
        """
        room = NAMED - len(self.first)
        self.count += count
        self.first += captions[:room]
        self.more = self.more or more or len(captions) > room
        if self.strict and self.count:
            told = self.described(1)
            raise ValueError(f"{told[0].upper()}{told[1:]}: shorten or reword it, or turn 'strict' off.")

    def described(self, most: int = NAMED) -> str:
        """The first few with their places, such as "line 3 of the captions ('a cat ...') has 90 tokens"."""
        wanted = dict(self.first[:most])
        places: dict[str, str] = {}
        for source in self.sources:
            for number, caption in source.read():
                if caption in wanted:
                    places.setdefault(caption, source.place.replace("{}", str(number), 1))
            if len(places) == len(wanted):
                break
        more = "; and others" if self.more and most > 1 else ""
        told = (f"{places.get(each, 'one')} ({shown(each)}) {why}" for each, why in wanted.items())
        return "; ".join(told) + more


def sources(texts: Sequence[str], file: str, names: str) -> list[Source]:
    """The places of captions in the texts, the file and the names of Preserve Prior."""
    unit = "entry" if file.lower().endswith(".json") else "line"

    def prompts() -> Iterator[tuple[int, str]]:
        for number, line in numbered(names):
            yield from ((number, each) for named in captions_of_names(line).values() for each in named)

    return [
        *(
            Source(
                f"line {{}} of the captions{f' (text {n} of {len(texts)})' if texts[1:] else ''}",
                partial(numbered, text),
            )
            for n, text in enumerate(texts, 1)
        ),
        *(
            [Source(f"{unit} {{}} of {shown(file)}", lambda: numbered_captions(captions_file(file), file))]
            if file != NONE
            else ()
        ),
        Source("a prompt of line {} of the names", prompts),
    ]


def captions_file(name: str) -> bytes:
    """The content of a file of captions. Raises ValueError if there is none, or if it is too large."""
    return read_file(name, FORMATS, LARGEST, "a file of captions")


def prior_once(encoder, captions: list[str], progress: Progress, left_out: LeftOut) -> Prior | None:
    """The prior of these captions with weight 1, from the cache, or computed and then cached.

    Captions that cannot be used are added to ``left_out``; None if there are no others.
    """
    if not is_told(encoder.fingerprint):
        return _measured(encoder, captions, progress, left_out)
    store = store_of("cache")
    key = values_hash(prior=PRIOR, encoder=encoder.fingerprint, captions=sorted(captions))
    if kept := find(store, "prior", key, progress.warn, partial(_kept_prior, encoder.fingerprint)):
        left_out.add(*kept[1])
        return kept[0]
    own = LeftOut(left_out.sources, left_out.strict)
    prior = _measured(encoder, captions, progress, own)
    told = [own.count, own.first, own.more]
    left_out.add(*told)
    if prior is not None:
        tensors = {"P": prior.P} | ({} if prior.ends is None else {"ends": prior.ends})
        if prior.pooled is not None:
            tensors |= {"pooled P": prior.pooled.P, "pooled ends": prior.pooled.ends}
        facts = {"captions": prior.captions, "texts": list(prior.texts), "left_out": told}
        keep(store, "prior", key, tensors, facts, progress.warn)
    return prior


def _kept_prior(
    fingerprint: str, tensors: dict[str, Tensor], description: dict
) -> tuple[Prior, tuple[int, list[list[str]], bool]]:
    """The prior in a file of the cache, and the arguments of ``LeftOut.add``."""
    LAYOUT.check(tensors, "The file of a prior")
    P, ends, texts = tensors["P"], tensors.get("ends"), description.get("texts", [])
    rows = [] if ends is None else [len(ends), 2, len(P)]
    fits = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    pooled = [tensors.get("pooled P"), tensors.get("pooled ends")]
    if any(each is not None for each in pooled):
        fits = fits and all(each is not None for each in pooled)
        fits = fits and list(pooled[1].shape) == [len(texts), 1, len(pooled[0])]
    if not fits or (texts and rows != [len(texts), 2, len(P)]) or (rows and not texts):
        raise ValueError("The texts of a prior do not fit its tensors: make it again.")
    captions, told = description.get("captions"), description.get("left_out", [0, []])
    try:
        count, first, more = (*told, False)[:3]
        plain = all(isinstance(text, str) for pair in first for text in pair)
        plain = plain and all(len(pair) == 2 for pair in first) and type(count) is type(captions) is int
    except (TypeError, ValueError):
        plain = False
    if not plain:
        raise ValueError("The description of a prior has another form: make it again.")
    own = None if pooled[0] is None else Prior(pooled[0], captions, fingerprint, tuple(texts), pooled[1])
    return Prior(P, captions, fingerprint, tuple(texts), ends, own), (count, first, bool(more))


def _measured(encoder, captions: list[str], progress: Progress, left_out: LeftOut) -> Prior | None:
    done = 0

    def on_batch(count, total) -> None:
        nonlocal done
        progress.step(f"caption {count} of {total}", count - done)
        done = count

    def skip(caption, why, count) -> None:
        left_out.add(count, [[caption, why]])

    before = left_out.count
    try:
        return prior_from_captions(encoder, captions, 1.0, on_batch, encoder.device, skip)
    except ValueError:
        if left_out.count - before < len(captions):
            raise
        return None
