"""`erase`: from a list of concepts to an erasure in models/mace."""

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from .inputs import check_checkpoint, load_checkpoint, read, stem
from .nodes import LoadedNodes
from .progress import Line
from .settings import DRAW, ERASING, FUSE, REFINE, SAVE, TRAIN, chosen

PRIOR, MASK = "MACE_PreservePrior", "MACE_MaskConcepts"
CACHES = {"images": "Draw concepts", "loras": "Train LoRA"}  # our word -> the stage in the nodes' texts
AUTHORS = ("paper", "published-code")
NO_PRIOR = (
    "Nothing is preserved by name: add --everyday, --names or --preserve to change other concepts less."
)


def erase(host: LoadedNodes, options: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Run all stages, or stage 1 for a preview, and save the erasure. All input is checked first."""
    concepts = concepts_of(host, options, line)
    captions = captions_to_preserve(host, options.preserve)
    given = {node: chosen(options, ERASING, node) for node in (REFINE, DRAW, TRAIN, FUSE)}
    given[DRAW] |= dict(zip(("width", "height"), options.size, strict=True))
    name = options.name or stem(options.list)
    for node, inputs in (*given.items(), (SAVE, {"name": name})):
        host.check(node, **inputs)
    check_checkpoint(options.checkpoint)
    with _cluster(host, options, line):
        erasure = _made(host, options, line, given, concepts, captions)
    _, saved = host.shown(SAVE, erasure=erasure, name=name)
    path = host.module("nodes.host.folders").erasure_path(saved)
    return {
        "erasure": saved,
        "path": path,
        "concepts": [concept.to_json() for concept in concepts],
        "from_cache": {}
        if options.preview
        else {word: line.cached.get(said, 0) for word, said in CACHES.items()},
        "text": path,
    }


def concepts_of(host: LoadedNodes, options: argparse.Namespace, line: Line) -> Any:
    """The concepts in the user's file, or in a list of the pack; what is odd about them is told."""
    listed = host.module("mace_core.concepts.ready_lists").LISTS.get(options.list)
    if listed is None:
        files = host.module("mace_core.concepts.concept_files")
        data = read(host, options.list, files.LARGEST, "a list of concepts")
        listed = files.read_concepts(data, Path(options.list).name, options.kind)
    concepts, notes = host.module("mace_core.concepts.chains").followed(listed)
    for each in notes:
        line.note(each)
    return concepts


def _cluster(host: LoadedNodes, options: argparse.Namespace, line: Line) -> AbstractContextManager:
    """Ray's workers, if they are asked for and have something to do; joined before any work begins."""
    if not options.ray or options.preview:
        return nullcontext()
    line.say("Join the Ray cluster")
    return host.module("nodes.cluster.membership").on_cluster(options.checkpoint)


def _made(
    host: LoadedNodes, options: argparse.Namespace, line: Line, given: dict, concepts: Any, captions: list
) -> Any:
    """The erasure: of stage 1 for a preview, otherwise of all stages."""
    model, clip, vae = load_checkpoint(host, options.checkpoint, line)
    prior = prior_of(host, options, clip, captions, concepts)
    if prior is None:
        line.note(NO_PRIOR)
    refined, erasure = host.run(
        REFINE, model=model, clip=clip, concepts=concepts, prior=prior, **given[REFINE]
    )
    if options.preview:
        return erasure
    drawn, _ = host.run(DRAW, model=model, clip=clip, vae=vae, concepts=concepts, **given[DRAW])
    masked, _ = host.run(MASK, training_set=drawn)
    trained = {"refined": refined, "clip": clip, "concepts": concepts, "training_set": masked}
    loras, _ = host.run(TRAIN, **trained, **given[TRAIN])
    (fused,) = host.run(FUSE, clip=clip, refined=erasure, concept_loras=loras, prior=prior, **given[FUSE])
    return fused


def captions_to_preserve(host: LoadedNodes, path: str | None) -> list[str]:
    """The captions in the user's file; none without a file."""
    if path is None:
        return []
    files = host.module("mace_core.concepts.caption_files")
    return list(files.read_captions(read(host, path, files.LARGEST, "a file of captions"), Path(path).name))


def prior_of(
    host: LoadedNodes, options: argparse.Namespace, clip: Any, captions: list[str], concepts: Any
) -> Any:
    """One prior of everything to preserve; None if there is nothing.

    With the authors' settings, the names count as much as the captions of the concepts' domain do in theirs.
    """
    prior = None
    if captions or options.everyday:
        (prior,) = host.run(PRIOR, clip=clip, captions=captions or "", everyday=options.everyday)
    if options.names:
        domain = concepts if options.preset in AUTHORS else None
        names = "\n".join(options.names)
        (prior,) = host.run(PRIOR, clip=clip, captions="", names=names, other=prior, concepts=domain)
    return prior
