"""The two prompts of the demo: the template with the concept filled in, and Score Erasure on its result."""

import copy
import re
from collections.abc import Mapping

from dev.bench.concepts import others, without
from mace_core.concepts.kinds import KINDS

JUDGE = "bundled (for the miniature model)"


def erasure_graph(template: Mapping, concept: Mapping, surrogate: str) -> dict:
    """The template's prompt, changed only where a user would: the concept, the prompt and the file's name.

    concept: an entry of mini/world.json. Captions that name it leave the prior, or it would be preserved and
    erased at once.
    """
    graph = copy.deepcopy(dict(template))
    find(graph, "MACE_EraseConcepts")["inputs"] |= _concepts(concept, surrogate)
    prior = find(graph, "MACE_PreservePrior")["inputs"]
    prior["captions"] = without(concept, prior["captions"])
    find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] = KINDS[concept["kind"]].plain.format(
        concept["name"]
    )
    find(graph, "MACE_SaveErasure")["inputs"]["name"] = re.sub(r"\W+", "_", concept["name"])
    return graph


def scoring_graph(
    template: Mapping, world: Mapping, concept: Mapping, surrogate: str, erasure: str, images: int
) -> dict:
    """Score the original MODEL and the erasure from its file, with the template's checkpoint and settings.

    The synonyms are the judge's own, which the erasure was never told.
    """
    sampler = find(template, "KSampler")["inputs"]
    kind = concept["kind"]
    return {
        "loader": _node("CheckpointLoaderSimple", **find(template, "CheckpointLoaderSimple")["inputs"]),
        "concepts": _node("MACE_EraseConcepts", **_concepts(concept, surrogate)),
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
        )
        | {"_meta": {"title": "Score Erasure"}},
    }


def find(graph: Mapping, class_type: str, title: str = "") -> dict:
    """The first node of a class, with a title if one is given."""
    for node in graph.values():
        if node["class_type"] == class_type and title in ("", node["_meta"]["title"]):
            return node
    raise ValueError(f"The template has no {class_type} {title}, which the demo needs: add it again.")


def _concepts(concept: Mapping, surrogate: str) -> dict[str, str]:
    return {"concepts": f"{concept['name']} -> {surrogate}", "kind": concept["kind"]}


def _node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}
