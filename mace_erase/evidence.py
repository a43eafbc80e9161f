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
    return {
        "scores": json.loads(figures)["scores"],
        **_saved(table, {"": grid, "_chart": chart}, line),
        "text": table,
    }


def probe(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Run Probe Erasure on an erasure, and save its images beside its figures."""
    given = {"prompts": read_text(host, options.prompts)} | chosen(options, PROBING, PROBE)
    table, figures, grid = _judged(host, options, line, PROBE, given)
    return {"recovery": json.loads(figures)["recovery"], **_saved(table, {"": grid}, line), "text": table}


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


def _saved(table: str, images: dict[str, Any], line: Line) -> dict[str, Any]:
    """The file with all figures, which the node names below its table, and the images saved beside it.

    None and no images if the node could not save it: the table says why.
    """
    found = re.search(_SAVED, table)
    if found is None:
        return {"record": None, "images": []}
    path = output_file(found[1])
    files = []
    try:
        for suffix, image in images.items():
            files.append(_save(image, path.with_name(f"{path.stem}{suffix}.png")))
    except OSError as error:
        line.note(f"The images beside {path.name} cannot be saved ({error.strerror}).")
    return {"record": str(path), "images": files}


def _save(image: Any, path: Path) -> str:
    """Save an IMAGE, `[1, H, W, 3]` in 0..1, as PNG."""
    from PIL import Image

    Image.fromarray((image[0] * 255).round().byte().cpu().numpy()).save(path)
    return str(path)
