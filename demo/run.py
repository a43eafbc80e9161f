"""`make demo`: from a concept to images and scores, through a real ComfyUI server.

The template that erases one concept is converted and posted as it is in workflows/. The file it saved is then
loaded again and scored by the node Score Erasure.
"""

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from demo.graph import erasure_graph, find, scoring_graph
from demo.progress import Progress
from dev.bench.concepts import entry
from dev.host.client import Client
from dev.host.server import Host
from dev.workflows.to_api import to_api
from mini.vocabulary import load_world

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER.parent / "workflows" / "02_erase_one_concept.json"
STAGES = (
    "MACE_CrossAttnRefine",
    "MACE_DrawConcepts",
    "MACE_MaskConcepts",
    "MACE_TrainConceptLoRA",
    "MACE_FuseLoRAs",
)


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # this also stops the server
    world = load_world()
    try:
        concept = entry(world, arguments.concept)
    except ValueError as error:
        sys.exit(str(error))
    surrogate = arguments.surrogate or concept["surrogate"]
    print(f"Erasing '{concept['name']}' from the bundled miniature model; its surrogate is '{surrogate}'.")
    started = time.monotonic()
    with Host() as host:
        table, scores = erase_and_score(host, world, concept, surrogate, arguments.images)
    seconds = round(time.monotonic() - started, 1)
    (FOLDER / "scores.json").write_text(json.dumps(scores | {"seconds_in_all": seconds}, indent=2) + "\n")
    print(f"\n{table}\n")
    print(f"{seconds:.0f} s. Images: demo/before_after.png. All figures and settings: demo/scores.json.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concept", default="ship", help="a concept of mini/world.json")
    parser.add_argument("--surrogate", default="", help="by default the one in mini/world.json")
    parser.add_argument("--images", type=int, default=20, help="images per prompt")
    return parser.parse_args()


def erase_and_score(
    host: Host, world: Mapping, concept: Mapping, surrogate: str, images: int
) -> tuple[str, dict]:
    """The table of Score Erasure, and its JSON with the settings of all stages; writes the grid of images."""
    client = host.client()
    template = to_api(json.loads(TEMPLATE.read_text()), client.object_info())
    graph = erasure_graph(template, concept, surrogate)
    print("Template 2, all three stages:")
    saved = posted(client, graph, "MACE_SaveErasure")["text"][0]
    print(f"Saved as models/mace/{saved}. Scoring {images} images per prompt, before and after:")
    scoring = scoring_graph(template, world, concept, surrogate, saved, images)
    shown = posted(client, scoring, "MACE_ScoreErasure")
    (FOLDER / "before_after.png").write_bytes(client.image(shown["images"][0]))
    record = host.base / re.search(r"output/\S+\.json", shown["text"][0])[0]
    stages = {name: widgets(find(graph, name)) for name in STAGES}
    return shown["text"][0], json.loads(record.read_text()) | {"stages": stages}


def posted(client: Client, graph: dict, class_type: str) -> dict:
    """What the first node of a class shows after the graph has run."""
    outputs = client.run(graph, Progress(graph))
    return next(outputs[name] for name, node in graph.items() if node["class_type"] == class_type)


def widgets(node: Mapping) -> dict:
    return {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}


if __name__ == "__main__":
    main()
