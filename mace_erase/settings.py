"""Options that are inputs of nodes. Their defaults are those of the nodes, repeated for the help only."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SAMPLERS = ("MACE_ScoreErasure", "MACE_ProbeErasure")
REFINE, TRAIN, FUSE = "MACE_CrossAttnRefine", "MACE_TrainConceptLoRA", "MACE_FuseLoRAs"
DRAW, EXPORT, SAVE, LATENT = "MACE_DrawConcepts", "MACE_ExportErasure", "MACE_SaveErasure", "EmptyLatentImage"
SCORE, PROBE = SAMPLERS
APPLY = "MACE_ApplyErasedModel"


@dataclass(frozen=True)
class Setting:
    """The option `--flag` sets `input` of `nodes`. values: word on the command line -> value of the input."""

    flag: str
    input: str
    nodes: tuple[str, ...]
    default: object
    help: str
    read: Callable[[str], object] = int
    values: tuple[tuple[str, str], ...] = ()

    @property
    def shown_default(self) -> object:
        """The default as a word on the command line."""
        return next((word for word, value in self.values if value == self.default), self.default)


def size(text: str) -> tuple[int, int]:
    """``"512x768"`` as width and height in pixels, multiples of 8 and at least 64."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: write it as 512x512") from None
    if min(width, height) < 64 or width % 8 or height % 8:
        raise argparse.ArgumentTypeError(f"'{text}' must have sides of at least 64 that are multiples of 8")
    return width, height


ERASING = (
    Setting("--images", "images", (DRAW,), 8, "training images per concept"),
    Setting("--steps", "steps", (DRAW,), 30, "sampling steps per training image"),
    Setting("--cfg", "cfg", (DRAW,), 7.5, "guidance scale; 4 for the miniature", float),
    Setting("--seed", "seed", (DRAW, TRAIN), 0, "seed of the training images and of the training"),
    Setting(
        "--method",
        "method",
        (TRAIN,),
        "fast",
        "fast: a closed form; exact: by gradients, slower; exact-values: as in the paper, values too",
        str,
        (("fast", "fast"), ("exact", "exact"), ("exact-values", "exact, keys and values")),
    ),
    Setting(
        "--preset",
        "preset",
        (REFINE, TRAIN, FUSE),
        "own values",
        "settings of all stages: those of this pack, of the paper, or of its published code",
        str,
        (("own", "own values"), ("paper", "paper"), ("published-code", "published code")),
    ),
    Setting(
        "--harden",
        "harden",
        (REFINE,),
        0,
        "rounds against learned embeddings, such as 5, for mode gated; 0 for none",
    ),
)
JUDGED = (
    Setting("--steps", "steps", SAMPLERS, 30, "sampling steps per image"),
    Setting("--cfg", "cfg", SAMPLERS, 7.5, "guidance scale; 4 for the miniature", float),
    Setting(
        "--judge",
        "judge",
        SAMPLERS,
        "bundled (for the miniature model)",
        "mace/judges/FOLDER or clip/FOLDER",
        str,
    ),
    Setting(
        "--mode",
        "mode",
        (APPLY,),
        "gated",
        "gated: as in ComfyUI; linear: as in exports and saved checkpoints",
        str,
        (("gated", "gated"), ("linear", "linear")),
    ),
)
SCORING = (
    Setting("--images", "images", (SCORE,), 4, "images per prompt; the paper uses 200"),
    Setting("--seed", "seed", (SCORE,), 0, "seed of each prompt's first image"),
    *JUDGED,
)
PROBING = (
    Setting("--images", "images", (PROBE,), 8, "images per attack, concept and model"),
    Setting(
        "--learning-steps", "learning_steps", (PROBE,), 100, "steps of the attacks that learn; 0 skips them"
    ),
    Setting("--seed", "seed", (PROBE,), 0, "seed of the images, the misspellings and the training"),
    *JUDGED,
)
EXPORTING = (
    Setting(
        "--format",
        "format",
        (EXPORT,),
        "LoRA",
        "lora: exact up to its rank; full: exact, large, for LoraLoader; peft: a folder for diffusers",
        str,
        (("lora", "LoRA"), ("full", "full difference"), ("peft", "PEFT adapter")),
    ),
    Setting("--rank", "rank", (EXPORT,), 64, "rank of the closed-form part; full ignores it"),
    Setting(
        "--precision",
        "precision",
        (EXPORT,),
        "float32",
        "float16 halves the file",
        str,
        (("float32", "float32"), ("float16", "float16")),
    ),
)


def add(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """Add the options. An option that is not given is None."""
    for each in settings:
        shown = f"{each.help} (default: {each.shown_default})"
        parser.add_argument(
            each.flag,
            type=each.read,
            choices=[word for word, _ in each.values] or None,
            metavar=None if each.values else each.flag.rpartition("-")[2].upper(),
            help=shown,
        )


def chosen(options: argparse.Namespace, settings: Sequence[Setting], node: str) -> dict[str, object]:
    """Input -> value, or None where the option was not given, for the inputs of one node."""
    values = {}
    for each in settings:
        if node in each.nodes:
            word = getattr(options, each.flag[2:].replace("-", "_"))
            values[each.input] = dict(each.values).get(word, word)
    return values
