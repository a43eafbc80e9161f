"""`score` and `probe`: images before and after an erasure, and what the judge says about them."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from .host import output_file
from .inputs import check_checkpoint, load_checkpoint, load_erasure, read_text
from .nodes import LoadedNodes
from .progress import Line
from .settings import APPLY, JUDGED, LATENT, PROBE, PROBING, SCORE, SCORING, chosen

_SAVED = r"output[/\\](\S+\.json)"  # in the notes of both tables


def score(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Run Score Erasure on an erasure, and save its images beside its figures."""
    given = {"keep": read_text(host, options.keep), "synonyms": ""} | chosen(options, SCORING, SCORE)
    if options.never_named is not None:
        given["never_named"] = read_text(host, options.never_named)
    table, figures, grid, chart = _judged(host, options, line, SCORE, given)
    path = _record(table)
    images = [_save(grid, path.with_suffix(".png")), _save(chart, path.with_name(f"{path.stem}_chart.png"))]
    return {"scores": json.loads(figures)["scores"], "record": str(path), "images": images, "text": table}


def probe(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Run Probe Erasure on an erasure, and save its images beside its figures."""
    given = {"prompts": read_text(host, options.prompts)} | chosen(options, PROBING, PROBE)
    table, figures, grid = _judged(host, options, line, PROBE, given)
    path = _record(table)
    recovery = json.loads(figures)["recovery"]
    return {
        "recovery": recovery,
        "record": str(path),
        "images": [_save(grid, path.with_suffix(".png"))],
        "text": table,
    }


def _judged(
    host: LoadedNodes, options: argparse.Namespace, line: Line, node: str, given: dict[str, Any]
) -> tuple:
    """The outputs of a node that compares the original model with the erased one."""
    host.check(node, **given)
    check_checkpoint(options.checkpoint)
    erasure = load_erasure(host, options.erasure)
    model, clip, vae = load_checkpoint(host, options.checkpoint, line)
    given_to_apply = {"model": model, "erasure": erasure, "clip": clip} | chosen(options, JUDGED, APPLY)
    (erased,), said = host.shown(APPLY, **host.with_defaults(APPLY, given_to_apply))
    line.note(said)
    width, height = options.size
    (latent,) = host.call(LATENT, width=width, height=height, batch_size=1)
    models = {"before": model, "after": erased, "clip": clip, "vae": vae}
    return host.run(node, **models, concepts=erasure.concepts, latent=latent, **given)


def _record(table: str) -> Path:
    """The file with all figures, which the node names below its table."""
    return output_file(re.search(_SAVED, table)[1])


def _save(image: Any, path: Path) -> str:
    """Save an IMAGE, `[1, H, W, 3]` in 0..1, as PNG."""
    from PIL import Image

    Image.fromarray((image[0] * 255).round().byte().cpu().numpy()).save(path)
    return str(path)
