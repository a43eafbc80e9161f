"""`make mini`: all steps from the artwork packages to the shipped files; it resumes and skips finished steps.

python -m dev.miniature.make [pools | vae | judge | text | unet | all | report | take_up | lora]
"""

from __future__ import annotations

import sys

from dev.host.launch import make_importable

STEPS = ("pools", "vae", "judge", "text", "unet")


def main(last: str = "all") -> None:
    """Run the steps up to `last`.

    `all` also writes the shipped files, `report` only measures them, `take_up` writes checkpoints from them,
    `lora` trains the shipped LoRA on them.
    """
    make_importable()  # torchvision and torchaudio, which transformers imports
    if last == "take_up":
        from .take_up import take_up

        return take_up()
    if last == "report":
        from .report import main as report

        return report()
    if last == "lora":
        from .lora import main as lora

        return print(lora())
    from . import stages

    for step in STEPS:
        getattr(stages, step)()
        if step == last:
            return None
    return stages.ship()


if __name__ == "__main__":
    main(*sys.argv[1:])
