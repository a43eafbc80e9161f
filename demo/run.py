"""`make demo`: from a concept to images and scores, with the two command lines that a server would use.

Both run in this process, in a temporary folder, with the settings of the template that erases one concept.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from demo.commands import erase_command, score_command, write_lists
from dev.bench.concepts import entry
from dev.host.fetch import host_folder
from dev.host.launch import make_importable
from mace_erase.command import result_of
from mini.vocabulary import load_world

FOLDER = Path(__file__).parent


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # this also removes the folder
    world = load_world()
    try:
        concept = entry(world, arguments.concept)
    except ValueError as error:
        sys.exit(str(error))
    surrogate = arguments.surrogate or concept["surrogate"]
    print(f"Erasing '{concept['name']}' from the bundled miniature model; its surrogate is '{surrogate}'.")
    os.environ["COMFYUI_PATH"] = str(host_folder())
    make_importable()
    with tempfile.TemporaryDirectory(prefix="mace-demo-") as folder:
        write_lists(Path(folder), world, concept, surrogate)
        try:
            table, seconds = erase_and_score(Path(folder), concept, arguments.images)
        except (ValueError, OSError) as error:
            sys.exit(str(error))
    print(f"\n{table}\n")
    print(f"{seconds:.0f} s. Images: demo/before_after.png. All figures and settings: demo/scores.json.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concept", default="ship", help="a concept of mini/world.json")
    parser.add_argument("--surrogate", default="", help="by default the one in mini/world.json")
    parser.add_argument("--images", type=int, default=12, help="images per prompt")
    return parser.parse_args()


def erase_and_score(folder: Path, concept: dict, images: int) -> tuple[str, float]:
    """The table of Score Erasure, and the seconds in all; writes the figures and the images into demo/."""
    started = time.monotonic()
    hosts = ["--", "--cpu", "--base-directory", str(folder)]
    commands = [erase_command(folder, concept)]
    erased = shown(commands[0] + hosts)
    commands.append(score_command(folder, erased["erasure"], images))
    scored = shown(commands[1] + hosts)
    seconds = round(time.monotonic() - started, 1)
    shutil.copy(scored["images"][0], FOLDER / "before_after.png")
    record = json.loads(Path(scored["record"]).read_text())
    record |= {"commands": [shlex.join(each) for each in commands], "seconds_in_all": seconds}
    (FOLDER / "scores.json").write_text(json.dumps(record, indent=2) + "\n")
    return scored["text"], seconds


def shown(arguments: Sequence[str]) -> dict:
    """Print a command line, and run it."""
    print(f"\n$ python -m mace_erase {shlex.join(arguments)}", flush=True)
    return result_of(arguments)


if __name__ == "__main__":
    main()
