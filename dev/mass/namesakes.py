"""`python -m dev.mass.namesakes`: what keeps a person's gate shut for namesakes, on the tuning split.

Prompts only, no images. Writes docs/results/namesakes.md.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from unittest import mock

import torch

from dev.bench.bench import Bench
from dev.bench.markdown import row
from dev.host.fetch import REPOSITORY
from dev.mass.plan import splits

PAGE = REPOSITORY / "docs" / "results" / "namesakes.md"
RAMPS = ((-0.1, 0.1), (0.05, 0.2), (0.35, 0.5))
BESIDE = (
    "a picture of a {other} and {}",
    "a {other} with {}",
    "a picture of {} and a {other}",
    "{} with a {other}",
)
OBJECTS = 4
HEAD = """# Namesakes

`python -m dev.mass.namesakes` writes this page. It erases the people of the tuning split one by one from the
bundled miniature: {erased}. It looks at prompts, not at images.
Namesakes are the people of that split with the same first or last name, whom no prior names here. Alone: the
held-out templates of people, filled with a name. Beside: {beside} prompts with a second object before or
after the name: {objects}. A prompt is caught if its end token and a word are gated by
more than half, and disturbed if any token is gated at all. Percent; **bold** rows are the pack's.

## Tokens

A gate is calibrated against made-up namesakes, in one or two prompts each. Fewer would do for these three
people. The pack has eight to be on the safe side: other names can be more alike.

| made-up namesakes | caught, alone | beside | namesakes disturbed, alone | beside |
|---|---|---|---|---|
"""
POOLED = """
## The pooled vector

The same for the gate of SDXL's pooled vector, with the miniature's end token in its place. Beside another
object it could also be calibrated against made-up namesakes beside one, with another ramp, in shares of the
way from the closest of the others (0) to the person (1). That misses more of the person than it spares of the
namesakes, so the pack does not.

| beside another object | ramp there | caught, alone | beside | namesakes disturbed, alone | beside |
|---|---|---|---|---|---|"""


class EndPooled:
    """A text encoder whose pooled vector is its end token, as CLIP's is before the projection."""

    def __init__(self, encoder, module):
        self._encoder, self._end = encoder, module("mace_core.encoder.alignment").end_token

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, prompts: Sequence[str]):
        encoded = self._encoder.encode(prompts)
        ends = [self._end(tokens, slice(0, 1)) for tokens in encoded.tokens]
        return replace(encoded, pooled=encoded.embeddings[range(len(ends)), ends])


@dataclass(frozen=True)
class Shares:
    """Shares of prompts, in percent, alone and beside another object: of the erased people those caught, of
    their namesakes those disturbed."""

    caught: Sequence[float]
    disturbed: Sequence[float]

    def cells(self) -> list[str]:
        return [f"{each:.1f}" for each in (*self.caught, *self.disturbed)]


class Trial:
    """The people of the tuning split, and the objects beside them."""

    def __init__(self, bench: Bench):
        self.bench, self.module = bench, bench.host.module
        self.calibrate = self.module("mace_core.erasure.calibrate")
        self.kinds = self.module("mace_core.concepts.kinds").KINDS
        split = splits()["tuning"]["all"]
        people = [name for side in split.values() for name in side if self._kind(name) == "person"]
        self.erased = [name for name in split["erase"] if name in people]
        self.namesakes = {
            name: [each for each in people if each != name and set(each.split()) & set(name.split())]
            for name in self.erased
        }
        partners = " ".join(self.module("mace_core.concepts.kinds.kind").PARTNERS)
        objects = [name for name in split["never"] if self._kind(name) == "object" and name not in partners]
        self.objects = objects[:OBJECTS]
        self.encoder = EndPooled(bench.encoder, self.module)
        self.reference = self.calibrate.reference_of(self.encoder)

    def _kind(self, name: str) -> str:
        return self.bench.concepts[name]["kind"]

    def shares(self, ramp: tuple[float, float] | None = None) -> tuple[Shares, Shares]:
        """Of the tokens, and of the pooled vector. With a ramp, that is calibrated against namesakes beside
        another object."""
        found: dict = {}
        for name in self.erased:
            ((concept,),) = self.bench.run("MACE_EraseConcepts", concepts=f"person: {name} -> a person")
            with mock.patch.object(self.calibrate, "calibrated_pooled", self._calibrated(concept, ramp)):
                gate, _ = self.calibrate.calibrated_gate(self.encoder, concept, None, self.reference)
            for place, templates in enumerate((self.kinds["person"].held_out, self.beside())):
                for other in (None, *self.namesakes[name]):
                    gated = self._gated(gate, templates, other or name, 0 if other else 0.5)
                    found.setdefault((place, other is not None), []).extend(gated)
        means = {key: 100 * torch.tensor(hits).double().mean(0) for key, hits in found.items()}
        caught, disturbed = ([means[place, named] for place in (0, 1)] for named in (False, True))
        return tuple(
            Shares([float(each[n]) for each in caught], [float(each[n]) for each in disturbed])
            for n in (0, 1)
        )

    def beside(self) -> list[str]:
        return [template.replace("{other}", name) for template, name in product(BESIDE, self.objects)]

    def _calibrated(self, concept, ramp: tuple[float, float] | None) -> Callable:
        """The pack's way to make a gate of pooled vectors, or with the ramp and namesakes beside another."""
        pooled, prompts = (
            self.module(f"mace_core.{each}") for each in ("erasure.calibrate_pooled", "concepts.prompts")
        )
        names = dict.fromkeys(pair.phrase for pair in prompts.prompts_of_namesakes(concept))
        made_up = [replace(concept, target=name) for name in names]
        known = [
            pair
            for number, each in enumerate(made_up)
            for pairs in prompts.prompts_beside(each)
            for pair in pairs[number : number + 1]
        ]

        def calibrated(own, others, reference, common=None):
            if ramp is None or common is None:
                return pooled.calibrated_pooled(own, others, reference, common)
            others = torch.cat([others, self.calibrate.prompt_rows(self.encoder, known).pooled])
            with mock.patch.object(pooled, "RAMP", ramp):
                return pooled.calibrated_pooled(own, others, reference, common)

        return calibrated

    def _gated(self, gate, templates: Sequence[str], name: str, over: float) -> list[tuple[bool, bool]]:
        """Per prompt, whether its tokens and its pooled vector are gated by more than a share."""
        gates, pooled = (self.module(f"mace_core.erasure.{each}") for each in ("gate", "pooled"))
        end = self.module("mace_core.encoder.alignment").end_token
        encoded, hits = self.encoder.encode([template.format(name) for template in templates]), []
        for tokens, e, p in zip(encoded.tokens, encoded.embeddings, encoded.pooled, strict=True):
            g, last = gates.gate_values(gate, e), end(tokens, slice(0, 1))
            of_tokens = g[last] > over and g[:last].max() > over if over else g.any()
            hits.append((bool(of_tokens), bool(pooled.pooled_gate_values(gate.pooled, p) > over)))
        return hits


def of_tokens(trial: Trial) -> list[str]:
    """A row per choice of made-up namesakes."""
    person, prompts = trial.kinds["person"], trial.calibrate.prompts_of_namesakes
    firsts, lasts = person.namesakes

    def named(count: int) -> AbstractContextManager:
        few = replace(person, namesakes=(firsts[:count], lasts[:count]))
        return mock.patch.dict(trial.kinds, person=few)

    once = mock.patch.object(trial.calibrate, "prompts_of_namesakes", lambda concept: prompts(concept)[::2])
    choices: Mapping[str, AbstractContextManager] = {
        "none": named(0),
        "four, two prompts each": named(2),
        "eight, by the bare name": once,
        "**eight, two prompts each**": nullcontext(),
    }
    rows = []
    for label, choice in choices.items():
        with choice:
            tokens, _ = trial.shares()
        rows.append(row(label, *tokens.cells()))
    return rows


def of_pooled(trial: Trial) -> list[str]:
    """A row as the pack does it, and one per ramp with namesakes beside another object."""
    pack = "{:g}, {:g}".format(*trial.module("mace_core.erasure.calibrate_pooled").RAMP)
    rows = [row("**without namesakes**", f"**{pack}**", *trial.shares()[1].cells())]
    for ramp in RAMPS:
        rows.append(row("namesakes, too", "{:g}, {:g}".format(*ramp), *trial.shares(ramp)[1].cells()))
    return rows


@torch.inference_mode()
def main() -> None:
    trial = Trial(Bench(images=1))
    head = HEAD.format(
        erased=", ".join(trial.erased), beside=len(trial.beside()), objects=", ".join(trial.objects)
    )
    lines = [*of_tokens(trial), POOLED, *of_pooled(trial)]
    PAGE.write_text(head + "\n".join(lines) + "\n")
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
