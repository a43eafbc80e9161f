"""`python -m dev.mass.gate`: tries other ramps of the gate on the tuning split of the miniature.

Prompts only, no images: a prompt counts as caught if its end token is gated by more than half, and as
disturbed if any token is gated at all. Writes docs/results/gate.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from dev.bench.bench import Bench
from dev.bench.erasures import preserved
from dev.host.fetch import REPOSITORY
from dev.mass.plan import splits

PAGE = REPOSITORY / "docs" / "results" / "gate.md"
ENDS = ((0.15, 0.3), (0.25, 0.4), (0.35, 0.5), (0.5, 0.65), (0.7, 0.85))  # ENDED and PADDED
SURE = ((0.3, 0.45), (0.5, 0.65), (0.7, 0.85))
LIKELY = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6))
HEAD = """# Ramps of the gate

`python -m dev.mass.gate` writes this page. It erases the concepts of the tuning split from the bundled
miniature and looks at prompts, not at images: the held-out templates of each kind, filled with a name. A
prompt is caught if its end token and its word are gated by more than half, and disturbed if any token is
gated at all. Ramps are shares of the way from the closest other name (0) to the concept's own prompts (1), as
in `mace_core/erasure/calibrate.py`. Each row changes one pair; **bold** rows have the pack's values.

| ramp | low, high | erased caught | synonyms caught | named disturbed | never named disturbed |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Prompts:
    """Token embeddings of prompts, each with the places of its word and its end token."""

    embeddings: Sequence[torch.Tensor]
    ends: Sequence[int]


class Trial:
    """The tuning split, encoded once."""

    def __init__(self, bench: Bench):
        self.bench, self.module = bench, bench.host.module
        self.split = splits()["tuning"]["all"]
        (self.concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(self.split["erase"]))
        self.prior = preserved(bench, self.split["keep"])
        self.reference = self.module("mace_core.erasure.calibrate").reference_of(bench.encoder)
        synonyms = [(name, each) for name in self.split["erase"] for each in bench.concepts[name]["synonyms"]]
        self.prompts = {side: self._encoded((name, name) for name in self.split[side]) for side in self.split}
        self.prompts["synonyms"] = self._encoded(synonyms)

    def shares(self, ramps: Sequence) -> dict[str, float]:
        """Of each group of prompts, the share caught or, of what is not erased, disturbed."""
        calibrate, gates = self.module("mace_core.erasure.calibrate"), self.module("mace_core.erasure.gate")
        encoder = self.bench.encoder
        made = [
            calibrate.calibrated_gate(encoder, concept, self.prior, self.reference, ramps=ramps)[0]
            for concept in self.concepts
        ]
        gate, found = gates.joined(made), {}
        for side, prompts in self.prompts.items():
            values = [gates.gate_values(gate, e) for e in prompts.embeddings]
            if side in ("erase", "synonyms"):
                hit = [g[end] > 0.5 and g[:end].max() > 0.5 for g, end in zip(values, prompts.ends)]
            else:
                hit = [g.max() > 0 for g in values]
            found[side] = sum(map(bool, hit)) / len(hit)
        return found

    def _encoded(self, named: Iterable[tuple[str, str]]) -> Prompts:
        filled = self.module("mace_core.concepts.prompts").filled
        kinds = self.module("mace_core.concepts.kinds").KINDS
        texts = [
            filled(template, phrase)
            for name, phrase in named
            for template in kinds[self.bench.concepts[name]["kind"]].held_out
        ]
        encoded = self.bench.encoder.encode(texts)
        end = self.module("mace_core.encoder.alignment").end_token
        return Prompts(list(encoded.embeddings), [end(tokens, slice(0, 1)) for tokens in encoded.tokens])


def rows(pack: Sequence) -> list[tuple[str, tuple, list]]:
    """(ramp, its pair, all four ramps) per row; pack: the pack's ramps."""
    sure, likely, ended, _ = pack
    return [
        *(("end and padding", pair, [sure, likely, pair, pair]) for pair in ENDS),
        *(("sure word", pair, [pair, likely, ended, ended]) for pair in SURE),
        *(("likely word", pair, [sure, pair, ended, ended]) for pair in LIKELY),
    ]


def line(ramp: str, pair: tuple, shares: Mapping[str, float], ours: bool) -> str:
    mark = "**" if ours else ""
    cells = [f"{100 * shares[side]:.1f}" for side in ("erase", "synonyms", "keep", "never")]
    return f"| {ramp} | {mark}{pair[0]:g}, {pair[1]:g}{mark} | " + " | ".join(cells) + " |"


@torch.inference_mode()
def main() -> None:
    trial = Trial(Bench(images=1))
    pack = trial.module("mace_core.erasure.calibrate").RAMPS
    lines = [
        line(ramp, pair, trial.shares(ramps), tuple(ramps) == tuple(pack)) for ramp, pair, ramps in rows(pack)
    ]
    PAGE.write_text(HEAD + "\n".join(lines) + "\n")
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
