"""`export` and `list`: erasures as files for other programs, and those in models/mace."""

import argparse
from typing import Any

from .host import output_file
from .inputs import check_checkpoint, load_checkpoint, load_erasure, stem
from .nodes import LoadedNodes
from .progress import Line
from .settings import EXPORT, EXPORTING, chosen

STAGES = {True: "all stages", False: "stage 1 only"}
SHOWN = 3  # concepts per line


def export(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Run Export Erasure."""
    given = chosen(options, EXPORTING, EXPORT) | {"name": options.name or stem(options.erasure)}
    host.check(EXPORT, **given)
    check_checkpoint(options.checkpoint)
    erasure = load_erasure(host, options.erasure)
    model, _, _ = load_checkpoint(host, options.checkpoint, line)
    (report,) = host.run(EXPORT, model=model, erasure=erasure, **given)
    saved, _, facts = report.partition("\n")
    path = str(output_file("..").resolve() / saved)
    return {"path": path, "report": facts, "text": f"{path}\n{facts}"}


def list_erasures(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """The erasures in models/mace. A damaged file is listed with what is wrong with it."""
    folders = host.module("nodes.host.folders")
    found = [_described(host, name, folders.erasure_path(name)) for name in folders.erasure_names()]
    return {
        "erasures": found,
        "text": "\n".join(map(_line, found)) or "There are no erasures in models/mace.",
    }


def _described(host: LoadedNodes, name: str, path: str) -> dict[str, Any]:
    try:
        erasure = load_erasure(host, path)
    except ValueError as error:
        return {"erasure": name, "path": path, "error": str(error)}
    concepts = [concept.to_json() for concept in erasure.concepts]
    return {"erasure": name, "path": path, "stages": STAGES[erasure.is_fused], "concepts": concepts}


def _line(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"{found['erasure']}  {found['error']}"
    concepts = [f"{each['target']} -> {each['surrogate']}" for each in found["concepts"]]
    more = f" and {len(concepts) - SHOWN} more" if len(concepts) > SHOWN else ""
    return f"{found['erasure']}  {found['stages']}: {', '.join(concepts[:SHOWN])}{more}"
