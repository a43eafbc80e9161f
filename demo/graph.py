"""The two prompts of the demo: the template with the concept filled in, and the pictures to score."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dev.bench.plan import Plan, names

SIDES = ("before", "after")


def erasure_graph(template: Mapping, plan: Plan) -> dict:
    """The template's prompt, changed only where a user would: the concept, the prompt and the file's name.

    Captions that name the concept leave the prior, or it would be erased and preserved at once.
    """
    graph = copy.deepcopy(dict(template))
    find(graph, "MACE_EraseConcepts")["inputs"] |= {
        "concepts": f"{plan.target.phrase} -> {plan.surrogate}",
        "kind": plan.kind,
    }
    prior = find(graph, "MACE_PreservePrior")["inputs"]
    prior["captions"] = "\n".join(line for line in prior["captions"].splitlines() if not names(plan, line))
    find(graph, "CLIPTextEncode", "Prompt")["inputs"]["text"] = plan.target.prompt
    find(graph, "MACE_SaveErasure")["inputs"]["name"] = re.sub(r"\W+", "_", plan.target.phrase)
    return graph


def find(graph: Mapping, class_type: str, title: str = "") -> dict:
    """The first node of a class, with a title when one is given."""
    for node in graph.values():
        if node["class_type"] == class_type and title in ("", node["_meta"]["title"]):
            return node
    raise ValueError(f"The template has no {class_type} {title}, which the demo needs: put it back.")


@dataclass(frozen=True)
class Drawing:
    """How the template draws, so that the pictures scored are those a user sees."""

    checkpoint: Mapping
    latent: Mapping
    sampler: Mapping

    @classmethod
    def of(cls, template: Mapping) -> "Drawing":
        sampler = {
            name: value
            for name, value in find(template, "KSampler")["inputs"].items()
            if not isinstance(value, list)
        }
        return cls(
            find(template, "CheckpointLoaderSimple")["inputs"],
            find(template, "EmptyLatentImage")["inputs"],
            sampler,
        )


def scoring_graph(drawing: Drawing, plan: Plan, erasure: str, images: int) -> dict:
    """Every prompt set with the untouched MODEL and with the erasure read back from its file, same seeds."""
    graph = {
        "loader": node("CheckpointLoaderSimple", **drawing.checkpoint),
        "erasure": node("MACE_LoadErasure", name=erasure),
        "apply": node("MACE_ApplyErasedModel", model=["loader", 0], erasure=["erasure", 0], strength=1.0),
        "latent": node("EmptyLatentImage", **{**drawing.latent, "batch_size": images}),
        "negative": node("CLIPTextEncode", clip=["loader", 1], text=""),
    }
    for side, model in zip(SIDES, ("loader", "apply")):
        for number, drawn in enumerate(plan.sets):
            text, sample, decode = (f"{what}_{number}_{side}" for what in ("text", "sample", "decode"))
            graph |= {
                text: node("CLIPTextEncode", clip=["loader", 1], text=drawn.prompt),
                sample: node(
                    "KSampler",
                    **drawing.sampler,
                    model=[model, 0],
                    positive=[text, 0],
                    negative=["negative", 0],
                    latent_image=["latent", 0],
                )
                | {"_meta": {"title": f"{drawn.phrase}, {side}"}},
                decode: node("VAEDecode", samples=[sample, 0], vae=["loader", 2]),
                output_id(number, side): node("PreviewImage", images=[decode, 0]),
            }
    return graph


def output_id(number: int, side: str) -> str:
    """The node that shows the pictures of the plan's prompt set of that number."""
    return f"show_{number}_{side}"


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}
