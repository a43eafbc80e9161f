"""The options of the command line, and the help that explains them."""

import argparse
from collections.abc import Sequence

from . import settings

KINDS = ("object", "person", "style", "explicit")

ABOUT = """\
Erase concepts from a Stable Diffusion checkpoint without a browser or a server. This runs the nodes of MACE
Concept Erasure on the ComfyUI in this process, with its models, folders and caches.
"""
EVERYTHING = """\
where ComfyUI is:
  Two folders up, if this pack is in ComfyUI/custom_nodes. Otherwise set COMFYUI_PATH=/path/to/ComfyUI.
  Use the Python that usually starts this ComfyUI. Arguments after -- are ComfyUI's own: --cpu, --lowvram,
  --base-directory, --extra-model-paths-config, ... (python main.py --help lists them).

where files are:
  checkpoints   models/checkpoints, and the folders in extra_model_paths.yaml
  erasures      models/mace; erase prints the path
  scores        output/mace, and so are probes and exports
  caches        models/mace/drawn, concepts and cache; you can delete them at any time

exit codes:
  0 done, 1 an error (one sentence on stderr), 2 wrong usage, 130 interrupted with Ctrl-C

examples:
  python -m mace_erase erase animals.csv --checkpoint v1-5.safetensors --everyday
  python -m mace_erase score animals_00001 --checkpoint v1-5.safetensors --judge mace/judges/clip-vit-large
  python -m mace_erase list --json
  python -m mace_erase erase --help
"""
ERASE = """\
Erase every concept of a list with all three stages of MACE, and save the result as one small file in
models/mace. Nothing is ever overwritten: the file name gets a number.

An interrupted run can be resumed: start the same command again. Finished images and LoRAs are cached in
models/mace, so only the missing ones are computed. A longer list costs only its new concepts.
"""
ERASE_MORE = """\
lists:
  CSV, JSON or YAML with the fields target, surrogate, kind, synonyms; or .txt with one line per concept:
    ship (boat, vessel) -> sea
    style: Van Gogh -> art
  or "explicit content", a list of this pack: the four words that the paper erases

examples:
  python -m mace_erase erase ships.txt --checkpoint mace_mini_sd.safetensors --size 64x64 --cfg 4 --everyday
  python -m mace_erase erase people.csv --checkpoint v1-5.safetensors --kind person --preset paper \\
      --preserve captions_train2014.json --names "person: Jo Doe" "person: Al Roe"
  python -m mace_erase erase ships.txt --checkpoint v1-5.safetensors --preview -- --lowvram
  python -m mace_erase erase many.csv --checkpoint v1-5.safetensors --ray
"""
SCORE = """\
Generate images with the original and the erased model at the same seeds, classify them with a CLIP judge, and
print the paper's metrics. Figures and images are saved in output/mace.
"""
SCORE_MORE = """\
examples:
  python -m mace_erase score ships_00001 --checkpoint mace_mini_sd.safetensors --size 64x64 --cfg 4
  python -m mace_erase score people_00001 --checkpoint v1-5.safetensors --images 20 --keep others.txt \\
      --judge mace/judges/clip-vit-large-patch14
"""
PROBE = """\
Try to bring erased concepts back, with other words, misspellings, other languages, a learned embedding and
LoRA re-training, and print how often that worked. Figures and images are saved in output/mace.
"""
PROBE_MORE = """\
examples:
  python -m mace_erase probe ships_00001 --checkpoint mace_mini_sd.safetensors --size 64x64 --cfg 4
  python -m mace_erase probe ships_00001 --checkpoint v1-5.safetensors --learning-steps 0 --prompts own.txt \\
      --judge mace/judges/clip-vit-large-patch14
"""
EXPORT = """\
Export an erasure for programs without this pack. The file is for one checkpoint and is saved in output/mace.
"""
EXPORT_MORE = """\
examples:
  python -m mace_erase export ships_00001 --checkpoint v1-5.safetensors --format lora --rank 64
  python -m mace_erase export ships_00001 --checkpoint v1-5.safetensors --format peft --precision float16
"""
LIST = "List the erasures in models/mace, with their concepts.\n"
LIST_MORE = """\
examples:
  python -m mace_erase list
  python -m mace_erase list --json -- --base-directory /path/to/data
"""


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those of ComfyUI: everything after the first ``--``."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:place]), list(arguments[place + 1 :])


def parser() -> argparse.ArgumentParser:
    """The parser of our arguments. `command` is the name of the sub-command."""
    whole = argparse.ArgumentParser(
        "python -m mace_erase",
        description=ABOUT,
        epilog=EVERYTHING,
        parents=[_shared()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.set_defaults(json=False, quiet=False)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, said: str, more: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=said.partition(".")[0].replace("\n", " "),
            description=said,
            epilog=more,
            parents=[_shared()],
            usage=f"%(prog)s {'' if name == 'list' else USAGE[name]}[options] [-- COMFYUI ARGUMENTS]",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _erase(command("erase", ERASE, ERASE_MORE))
    _score(command("score", SCORE, SCORE_MORE))
    _probe(command("probe", PROBE, PROBE_MORE))
    _export(command("export", EXPORT, EXPORT_MORE))
    command("list", LIST, LIST_MORE)
    return whole


def _shared() -> argparse.ArgumentParser:
    """Options before or after the command: without a default, so that neither place hides the other."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line of stdout"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr, only errors")
    return parser


USAGE = {"erase": "LIST --checkpoint NAME "} | dict.fromkeys(
    ("score", "probe", "export"), "ERASURE --checkpoint NAME "
)


def _erase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "list",
        metavar="LIST",
        help="a .csv, .json, .yaml or .txt file, anywhere on disk, or a list of this pack",
    )
    _checkpoint(parser)
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default=KINDS[0],
        help="of concepts without a kind of their own (default: object)",
    )
    parser.add_argument(
        "--preserve",
        metavar="FILE",
        help="captions to preserve: .txt, .csv or COCO's .json, anywhere on disk",
    )
    parser.add_argument(
        "--names",
        metavar="NAME",
        nargs="+",
        action="extend",
        help='names to preserve: horse "person: Jo Doe"',
    )
    parser.add_argument(
        "--everyday",
        action="store_true",
        help="preserve about 800 captions of everyday things; the concepts of LIST must not be among them",
    )
    parser.add_argument(
        "--name", metavar="OUT", help="name of the file in models/mace (default: that of LIST)"
    )
    parser.add_argument(
        "--preview", action="store_true", help="stage 1 only: seconds instead of minutes, erases less"
    )
    parser.add_argument(
        "--ray",
        action="store_true",
        help="generate and train on a Ray cluster: that of RAY_ADDRESS, or one that runs on this machine",
    )
    settings.add(parser, settings.ERASING)
    _size(parser)


def _score(parser: argparse.ArgumentParser) -> None:
    _erasure(parser)
    _checkpoint(parser)
    parser.add_argument(
        "--keep",
        metavar="FILE",
        help="concepts to preserve, one per line: cat, or style: Monet (default: nine that the judge knows)",
    )
    parser.add_argument(
        "--never-named",
        metavar="FILE",
        help="concepts neither erased nor in the prior, one per line; an empty file: none (default: 30 of "
        "the judge's names, some of which can be in the prior)",
    )
    settings.add(parser, settings.SCORING)
    _size(parser)


def _probe(parser: argparse.ArgumentParser) -> None:
    _erasure(parser)
    _checkpoint(parser)
    parser.add_argument("--prompts", metavar="FILE", help="your own prompts to try, one per line")
    settings.add(parser, settings.PROBING)
    _size(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    _erasure(parser)
    _checkpoint(parser)
    parser.add_argument("--name", metavar="OUT", help="name in output/mace (default: that of ERASURE)")
    settings.add(parser, settings.EXPORTING)


def _erasure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("erasure", metavar="ERASURE", help="a name that list shows, or the path of a file")


def _checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", metavar="NAME", required=True, help="the original model, as ComfyUI's loader lists it"
    )


def _size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        type=settings.size,
        metavar="WxH",
        default=(512, 512),
        help="the size the model was trained for: 768x768 for SD2.x, 1024x1024 for SDXL, 64x64 for the "
        "miniature (default: 512x512)",
    )
