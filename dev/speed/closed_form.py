"""Stage 1 (equation 2) for lists of 1 to 1,000 concepts, without the time of the text encoder.

The pack does every list completely. The straight way does the same work for each layer and each concept, so
it is measured on one concept and one layer of each width, and multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dev.fullsize.families import FAMILIES, Family
from dev.fullsize.measure import resident
from dev.speed.concepts import PROMPTS, TOKENS, encoder, people, things
from dev.speed.plain.closed_form import kept_sums, refined_weight, solved
from dev.speed.timing import compared, products_per_second, rounded, taken
from mace_core.concepts.concepts import Concept
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.text_encoder import RememberingEncoder
from mace_core.refinement.moments import MomentSum
from mace_core.refinement.refine import RefineSettings, refine

MEASURED = ("sd15", "sdxl")
SHORT, LONG = (1, 10), (100, 1000)  # lists that are done ROUNDS times, and one that grows
ROUNDS = 5
LEAST_SHARED = 768  # the width at which concepts with surrogates of their own are measured too
SETTINGS = RefineSettings()


def run() -> dict:
    torch.manual_seed(0)
    rows = [row for name in MEASURED for row in _family(FAMILIES[name])]
    return {"rows": rows}


def _family(family: Family) -> list[dict]:
    plain, rows = PlainCost(family.widths, family.d, refined_weight), []
    for count in SHORT:
        pack, straight = [], []
        for _ in range(ROUNDS):
            straight.append(plain.seconds(people(count)))
            pack.append(_whole(family, people(count)))
        rows.append(_row(family, people(count), pack, straight))
    rows += _growing(family, people(LONG[-1]), LONG, plain)
    if family.d == LEAST_SHARED:
        rows += _growing(family, things(LONG[0]), LONG[:1], plain, ", each with its own surrogate")
    return rows


def _whole(family: Family, concepts: Sequence[Concept]) -> tuple[float, float]:
    """CPU seconds and peak MiB of stage 1."""
    total, text = _moments(family, concepts)
    one = taken(lambda: ([total.add(each) for each in concepts], refine([total.moments()], None, SETTINGS)))
    return one.seconds - text.seconds, one.mib


def _growing(
    family: Family, concepts: Sequence[Concept], counts: Sequence[int], plain: PlainCost, what: str = ""
) -> list[dict]:
    """One list that grows: a row for each count, with ROUNDS parts of equal size for the spread."""
    total, text = _moments(family, concepts)
    done, spent, peak, rows = 0, 0.0, 0.0, []
    at_first = resident("VmRSS")
    for count in counts:
        size, pack, straight = (count - done) // ROUNDS, [], []
        for start in range(done, count, size):
            straight.append(plain.seconds(concepts[:count]))
            before = text.seconds
            part = taken(
                lambda start=start, size=size: [total.add(each) for each in concepts[start : start + size]]
            )
            seconds, peak = part.seconds - (text.seconds - before), max(peak, resident("VmHWM") - at_first)
            spent += seconds
            pack.append(seconds * count / size)
        last = taken(lambda: refine([total.moments()], None, SETTINGS))
        peak = max(peak, resident("VmHWM") - at_first)
        told = [(each + last.seconds, peak) for each in pack]
        rows.append(
            _row(family, concepts[:count], told, straight, what) | {"ours": rounded(spent + last.seconds)}
        )
        done = count
    return rows


def _moments(family: Family, concepts: Sequence[Concept]) -> tuple[MomentSum, object]:
    text = encoder(family.d)
    return MomentSum(RememberingEncoder(text), concepts), text


def _row(family: Family, concepts: Sequence[Concept], pack: list, straight: list, what: str = "") -> dict:
    count, noun = len(concepts), "concepts" if len(concepts) > 1 else "concept"
    ours = [seconds for seconds, _ in pack]
    return compared(
        f"{count:,} {noun}, {family.name}, d = {family.d}{what}",
        ours,
        straight,
        _limit(family.d, concepts),
        d=family.d,
        concepts=count,
        mib=rounded(max(mib for _, mib in pack)),
    )


def _limit(d: int, concepts: Sequence[Concept]) -> float:
    """CPU seconds of half a symmetric product over all tokens of all target prompts, one product per
    surrogate prompt, one Cholesky factor and one division, as fast as large matrices are multiplied in
    float64."""
    surrogates, prompts = len({each.surrogate for each in concepts}), len(prompt_pairs(concepts[0]))
    operations = d**2 * TOKENS * prompts * (len(concepts) + 2 * surrogates) + d**3 / 3 + 2 * d**3
    return operations / products_per_second("float64")


class PlainCost:
    """CPU seconds of the straight way for a whole U-Net, from one concept and one layer of each width."""

    def __init__(self, widths: dict[int, int], d: int, edited: Callable):
        self._widths, self._d, self._edited = widths, d, edited
        self._weights = {o: torch.randn(o, d) / d**0.5 for o in widths}
        self._pairs = [(torch.randn(TOKENS - 2, d), torch.randn(TOKENS - 2, d)) for _ in range(PROMPTS)]

    def seconds(self, concepts: Sequence[Concept]) -> float:
        """Of all layers, for a list of concepts with equally many prompts."""
        total, count = 0.0, len(concepts) * len(prompt_pairs(concepts[0])) / PROMPTS
        for o, layers in self._widths.items():
            W = self._weights[o]
            once = taken(lambda W=W: solved(*kept_sums(W, None, 0.0, SETTINGS.ridge))).seconds
            one = taken(lambda W=W: self._one(W)).seconds
            total += layers * (once + count * (one - once))
        return total

    def _one(self, W: Tensor) -> Tensor:
        return self._edited(W, self._pairs, ridge=SETTINGS.ridge)
