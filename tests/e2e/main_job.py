"""The main job as a user does it in the browser: template 2 through the server, then Score Erasure."""

import copy
import json
import re
from collections.abc import Mapping

from dev.bench.concepts import others, without
from dev.host.fetch import REPOSITORY
from dev.host.server import Host
from dev.workflows.to_api import to_api
from mace_core.concepts.kinds import KINDS

TEMPLATE = REPOSITORY / "workflows" / "02_erase_one_concept.json"
JUDGE = "bundled (for the miniature model)"


def erase_and_score(host: Host, world: Mapping, concept: Mapping, images: int, **scored: str) -> dict:
    """The record of Score Erasure, with other inputs in `scored`. The file that the template saved is loaded
    again to be scored."""
    client = host.client()
    template = to_api(json.loads(TEMPLATE.read_text()), client.object_info())
    graph = erasure_graph(template, concept)
    saved = shown(client.run(graph), graph, "MACE_SaveErasure")
    scoring = scoring_graph(template, world, concept, saved, images)
    scoring["score"]["inputs"] |= scored
    table = shown(client.run(scoring), scoring, "MACE_ScoreErasure")
    return json.loads((host.base / re.search(r"output/\S+\.json", table)[0]).read_text())


def shown(outputs: Mapping, graph: Mapping, class_type: str) -> str:
    """The text that the first node of a class shows."""
    return next(outputs[name]["text"][0] for name, node in graph.items() if node["class_type"] == class_type)


def erasure_graph(template: Mapping, concept: Mapping) -> dict:
    """The template's prompt, changed only where a user would: the concept, the prompt and the file's name.

    concept: an entry of mini/world.json. Captions that name it leave the prior, or it would be preserved and
    erased at once.
    """
    graph = copy.deepcopy(dict(template))
    find(graph, "MACE_EraseConcepts")["inputs"] |= _concepts(concept)
    prior = find(graph, "MACE_PreservePrior")["inputs"]
    prior["captions"] = without(concept, prior["captions"])
    find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] = KINDS[concept["kind"]].plain.format(
        concept["name"]
    )
    find(graph, "MACE_SaveErasure")["inputs"]["name"] = re.sub(r"\W+", "_", concept["name"])
    return graph


def scoring_graph(template: Mapping, world: Mapping, concept: Mapping, erasure: str, images: int) -> dict:
    """Score the original MODEL and the erasure from its file, with the template's checkpoint and settings.

    The synonyms are the judge's own, which the erasure was never told.
    """
    sampler = find(template, "KSampler")["inputs"]
    kind = concept["kind"]
    return {
        "loader": _node("CheckpointLoaderSimple", **find(template, "CheckpointLoaderSimple")["inputs"]),
        "concepts": _node("MACE_EraseConcepts", **_concepts(concept)),
        "erasure": _node("MACE_LoadErasure", name=erasure),
        "apply": _node("MACE_ApplyErasedModel", model=["loader", 0], erasure=["erasure", 0], strength=1.0),
        "latent": _node("EmptyLatentImage", **find(template, "EmptyLatentImage")["inputs"]),
        "score": _node(
            "MACE_ScoreErasure",
            before=["loader", 0],
            after=["apply", 0],
            clip=["loader", 1],
            vae=["loader", 2],
            concepts=["concepts", 0],
            latent=["latent", 0],
            keep="\n".join(f"{kind}: {name}" for name in others(world, concept)),
            synonyms="",
            judge=JUDGE,
            images=images,
            **{name: sampler[name] for name in ("seed", "steps", "cfg")},
        ),
    }


def find(graph: Mapping, class_type: str, title: str = "") -> dict:
    """The first node of a class, with a title if one is given."""
    for node in graph.values():
        if node["class_type"] == class_type and title in ("", node["_meta"]["title"]):
            return node
    raise ValueError(f"The template has no {class_type} {title}, which this job needs: add it again.")


def _concepts(concept: Mapping) -> dict[str, str]:
    return {"concepts": f"{concept['name']} -> {concept['surrogate']}", "kind": concept["kind"]}


def _node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}
