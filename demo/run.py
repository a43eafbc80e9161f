"""`make demo`: from a concept to a picture and its scores, through a real ComfyUI server.

The template that erases one concept is converted and posted as it is in workflows/; what it saved is then
loaded again to draw the pictures that are scored.
"""

import argparse
import io
import json
import signal
import sys
import time
from pathlib import Path

import torch
from PIL import Image

from demo.graph import SIDES, Drawing, erasure_graph, find, output_id, scoring_graph
from demo.picture import draw_before_after
from demo.progress import Progress
from dev.bench.plan import Plan, load_world, make_plan
from dev.bench.score import score, table
from dev.host.client import Client
from dev.host.launch import make_importable
from dev.host.server import Host
from dev.workflows.to_api import to_api
from mace_core.evaluation.judge import Judge
from mini.vocabulary import JUDGE

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER.parent / "workflows" / "2_erase_one_concept.json"


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # the server stops with it
    try:
        plan = make_plan(load_world(), arguments.concept, arguments.surrogate)
    except ValueError as error:
        sys.exit(str(error))
    print(f"Erasing '{plan.target.phrase}' from the bundled miniature model, {plan.surrogate} in its place.")
    started = time.monotonic()
    make_importable()
    judge = Judge.load(JUDGE)  # before the work, so that a missing judge is not found out after it
    with Host() as host:
        graph, pictures = erase_and_draw(host.client(), plan, arguments.images)
    scores = score(judge, plan, pictures)
    seconds = round(time.monotonic() - started, 1)
    draw_before_after(plan, pictures, FOLDER / "before_after.png")
    chosen = settings(plan, graph, arguments.images, judge)
    report = {**scores.as_dict(), "seconds": seconds, "settings": chosen}
    (FOLDER / "scores.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{table(scores)}\n")
    print(f"{seconds:.0f} s. The picture is demo/before_after.png, the figures are in demo/scores.json.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concept", default="ship", help="a concept of mini/world.json")
    parser.add_argument("--surrogate", default="", help="what takes its place; mini/world.json knows one")
    parser.add_argument("--images", type=int, default=20, help="pictures per prompt set")
    return parser.parse_args()


def erase_and_draw(client: Client, plan: Plan, images: int) -> tuple[dict, dict]:
    """The prompt as it was posted, and (side, phrase) -> pictures."""
    template = to_api(json.loads(TEMPLATE.read_text()), client.object_info())
    graph = erasure_graph(template, plan)
    print("Template 2, all three stages:")
    outputs = client.run(graph, Progress(graph))
    saved = next(
        outputs[name]["text"][0] for name, each in graph.items() if each["class_type"] == "MACE_SaveErasure"
    )
    print(f"Saved as models/mace/{saved}; {images} pictures per prompt set, before and after:")
    drawing = scoring_graph(Drawing.of(template), plan, saved, images)
    outputs = client.run(drawing, Progress(drawing))
    return graph, {
        (side, drawn.phrase): fetch(client, outputs[output_id(number, side)]["images"])
        for side in SIDES
        for number, drawn in enumerate(plan.sets)
    }


def fetch(client: Client, entries: list[dict]) -> torch.Tensor:
    """[B, H, W, 3] in 0..1."""
    files = (Image.open(io.BytesIO(client.image(entry))).convert("RGB") for entry in entries)
    return torch.stack(
        [
            torch.frombuffer(bytearray(file.tobytes()), dtype=torch.uint8)
            .view(file.height, file.width, 3)
            .float()
            / 255
            for file in files
        ]
    )


def settings(plan: Plan, graph: dict, images: int, judge: Judge) -> dict:
    """Everything somebody needs to get the same figures."""
    nodes = (
        "MACE_CrossAttnRefine",
        "MACE_DrawConcepts",
        "MACE_MaskConcepts",
        "MACE_TrainConceptLoRA",
        "MACE_FuseLoRAs",
        "KSampler",
    )
    chosen = {
        name: {
            key: value for key, value in find(graph, name)["inputs"].items() if not isinstance(value, list)
        }
        for name in nodes
    }
    return {
        "target": plan.target.phrase,
        "surrogate": plan.surrogate,
        "kind": plan.kind,
        "synonyms": [each.phrase for each in plan.synonyms],
        "kept": [each.phrase for each in plan.kept],
        "images_per_prompt_set": images,
        "accuracy": "top-1",
        "judge": judge.fingerprint[:16],
        "judged_among": len(plan.target.names),
        **chosen,
    }


if __name__ == "__main__":
    main()
