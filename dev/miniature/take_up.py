"""Continue training from the shipped files, on a machine without the checkpoints of `make mini`.

This writes the checkpoints from mini/files (with a fresh optimiser), so that a longer schedule costs only the
additional steps.
"""

from __future__ import annotations

from safetensors.torch import load_file
from torch import nn

from mini.checkpoint import FILES

from . import judge_tokenizer
from .judge import PROJECTION, build_judge
from .loop import begun, write_whole
from .shipped import load_shipped
from .stages import WORK, judged_words
from .text import MiniText, fact_names
from .tokens import taught_tokens
from .world import World, load_world

STEPS_DONE = {"vae": 2600, "judge": 11000, "text": 900, "unet": 20000}


def shipped_parts(world: World) -> dict[str, nn.Module]:
    """The four parts as `make mini` builds them, with the shipped weights."""
    vae, shipped, unet = load_shipped()
    text = MiniText(len(taught_tokens(world)), len(fact_names(world)), PROJECTION)
    text.clip.load_state_dict(shipped.clip.state_dict())
    judge = build_judge(judge_tokenizer.write_tokenizer(WORK / "judge", judged_words(world)))
    judge.load_state_dict({k: v.float() for k, v in load_file(FILES / "judge/model.safetensors").items()})
    return {"vae": vae, "judge": judge, "text": text, "unet": unet}


def take_up() -> None:
    """Write the missing checkpoints."""
    for name, model in shipped_parts(load_world()).items():
        path = WORK / f"{name}.pt"
        if not path.exists():
            write_whole(begun(model, STEPS_DONE[name]), path)
