"""`make mini-report`: measures the shipped miniature with the shipped judge and writes mini/report.json.

One key per requirement of the original issue: the measured value, the required value and, where images are
classified, the judge's ceiling for the same concepts. `details` has the share of every concept. The same run
makes the model card's table, curves and contact sheet.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import torch

from mini.checkpoint import CHECKPOINT, FILES

from .art import draw_all, fetch
from .draw import CFG, STEPS
from .figures import attention, card, composed, drawn, host, others
from .figures.artist import Artist, mean
from .figures.composed import Ceilings, Composer
from .stages import WORK
from .world import World, load_world

REPORT = Path(__file__).resolve().parents[2] / "mini" / "report.json"
AT_LEAST, AT_MOST = ">=", "<="


@dataclass(frozen=True)
class Figure:
    """One line of the report; `bound` says whether `wanted` is a minimum or a maximum."""

    what: str
    measured: float
    bound: str
    wanted: float
    ceiling: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        if self.bound == AT_LEAST:
            return self.measured >= self.wanted
        return self.measured <= self.wanted


def of_the_judge(world: World, found: Ceilings) -> dict[str, Figure]:
    """The lines about the judge. Its ceiling is its accuracy on the same images after the autoencoder."""
    persons = [person.name for person in world.persons]
    judged = "judge, composed pictures: "
    seen = mean(list(found.seen.values()))
    styles = [mean(list(by_style.values())) for by_style in (found.seen_styles, found.ceiling_styles)]
    return {
        "judge_all": Figure(judged + "all concepts", seen, AT_LEAST, 97, found.of(list(found.ceiling))),
        "judge_persons": Figure(
            judged + "persons", mean([found.seen[name] for name in persons]), AT_LEAST, 95, found.of(persons)
        ),
        "judge_styles": Figure(judged + "styles", styles[0], AT_LEAST, 95, styles[1]),
    }


def of_the_model(artist: Artist, found: Ceilings, details: dict) -> dict[str, Figure]:
    """The lines about generated images; adds the shares of every concept to `details`."""
    world, everyone = artist.world, found.of(list(found.ceiling))
    names, synonyms = drawn.names(artist), drawn.synonyms(artist)
    templates, styles, pairs = drawn.templates(artist), drawn.styles(artist), drawn.pairs(artist)
    word, rest = drawn.halves(artist)
    details |= {
        "names": names, "synonyms": synonyms, "templates": templates, "styles": styles,
        "word_alone": word, "without_word": rest,
    }  # fmt: skip
    persons = [person.name for person in world.persons]
    retold = [thing.name for thing in world.objects if thing.synonyms]
    least = min(names, key=names.get)
    overall = {name: mean(list(shares.values())) for name, shares in details.items()}
    style_ceiling = mean(list(found.ceiling_styles.values()))
    return {
        "names": Figure("drawn by name", overall["names"], AT_LEAST, 92, everyone),
        "names_least": Figure(
            "the concept drawn least", names[least], AT_LEAST, 60, found.of([least]), least
        ),
        "synonyms": Figure("drawn by synonym", overall["synonyms"], AT_LEAST, 88, found.of(retold)),
        "templates": Figure("drawn in held-out templates", overall["templates"], AT_LEAST, 88, everyone),
        "persons": Figure(
            "persons drawn", mean([names[name] for name in persons]), AT_LEAST, 90, found.of(persons)
        ),
        "styles": Figure("style as the prompt names it", overall["styles"], AT_LEAST, 90, style_ceiling),
        "pairs": Figure("both of two objects drawn", pairs, AT_LEAST, 60, found.ceiling_pairs),
        "word_alone": Figure(
            "drawn from the word's own embedding alone", overall["word_alone"], AT_LEAST, 60, everyone
        ),
        "without_word": Figure(
            "drawn without the word's own embedding", overall["without_word"], AT_LEAST, 25, everyone
        ),
    }


@torch.no_grad()
def report(work: Path = WORK) -> tuple[dict[str, Figure], dict, Artist]:
    """All figures, their details, and the artist that generated the images."""
    world = load_world()
    fetch(work)
    artist, composer = Artist.load(world), Composer(world, draw_all(world, work))
    found = composed.measure(artist, composer)
    details: dict = {"judge": found.seen, "ceiling": found.ceiling}
    figures = of_the_judge(world, found) | of_the_model(artist, found, shares := {})
    layers = attention.measure(artist, composer)
    best = max(layers, key=layers.get)
    inside = host.measure()
    weights = others.sizes()
    figures |= {
        "attention": Figure(
            "attention on the object, times its area", layers[best], AT_LEAST, 2, note=f"best layer: {best}"
        ),
        "concepts": Figure("nameable concepts", len(artist.nameable), AT_LEAST, 120),
        "seconds": Figure("seconds a picture, one core, in the host", inside["seconds"], AT_MOST, 1),
        "latents_host": Figure("latents, host and ours differ by", inside["latents"], AT_MOST, 1e-3),
        "latents_diffusers": Figure(
            "latents, diffusers and ours differ by", others.latents_diffusers(artist), AT_MOST, 1e-3
        ),
        "model_megabytes": Figure("model file, MB", weights["model"], AT_MOST, 16),
        "judge_megabytes": Figure("judge, MB", weights["judge"], AT_MOST, 4),
        "binary_megabytes": Figure("all binary files, MB", weights["binaries"], AT_MOST, 24),
    }
    return figures, {**details, **shares, "attention": layers}, artist


def fingerprints() -> dict[str, str]:
    """SHA-256 of the measured files: a report is valid for these files only."""
    files = FILES / CHECKPOINT, FILES / "judge/model.safetensors"
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in files}


def as_json(figures: dict[str, Figure], details: dict) -> str:
    """The report as JSON: settings and file hashes, one key per figure, then the details."""
    rounded = {
        name: {key: _round(value) for key, value in (asdict(each) | {"met": each.met}).items()}
        for name, each in figures.items()
    }
    tidy = {
        name: {key: _round(value) for key, value in sorted(part.items(), key=lambda item: item[1])}
        for name, part in details.items()
    }
    setting = {"steps": STEPS, "cfg": CFG, "files": fingerprints()}
    return json.dumps({**setting, **rounded, "details": tidy}, indent=1) + "\n"


def from_json(text: str) -> dict[str, Figure]:
    """The figures of a written report."""
    kept = {
        name: each for name, each in json.loads(text).items() if isinstance(each, dict) and "what" in each
    }
    return {name: Figure(**{k: v for k, v in each.items() if k != "met"}) for name, each in kept.items()}


def _round(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    begun = time.monotonic()
    figures, details, artist = report()
    text = as_json(figures, details)
    REPORT.write_text(text)
    figures = from_json(text)  # card and terminal show the rounded values of the file
    card.write(artist, figures, details)
    print(card.lines(figures))
    print(f"{time.monotonic() - begun:.0f} s. Wrote mini/report.json, mini/README.md and its images.")


if __name__ == "__main__":
    main()
