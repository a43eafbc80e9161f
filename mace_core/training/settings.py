"""The settings of stage 2, for both trainers."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ..files.records import Record
from ..files.shown import shown

LOSSES = SQUARED, NORM = ("squared", "norm")  # equation 3; the unsquared norm of the published code
TRAINS = KEYS, KEYS_AND_VALUES = ("keys", "keys and values")
STOP_AT = 0.05  # of the pack's own setting: eq. 3 down by 95 %
INITIALS = NORMAL, UNIFORM = ("normal", "uniform")  # D at the start: of diffusers' LoRA layer; of peft's


@dataclass(frozen=True)
class TrainSettings(Record):
    """steps, batch, rank: 1 or more; learning_rate: above 0.

    cfis: timesteps by concept-focal importance sampling (equation 5) instead of uniform.
    loss: ``"squared"`` is equation 3; ``"norm"`` is the unsquared norm of the published code, which also uses
    suppress_end_of_text: the end token (and its copies, with which SD1 pads) joins the suppressed tokens.
    initial: D at the start, as in ``initial_factors``. AdamW moves U by about the learning rate per step
    whatever D is, so at one learning rate Delta W is sqrt(3 d) / rank times larger with ``"normal"``, for
    which the authors' learning rates are.
    trains: ``"keys"`` trains every to_k, which attention depends on; ``"keys and values"`` is the paper's.
    stop_at: training stops when this share (0..1) of equation 3 is left on samples held out; 0 never stops.
    Raises ValueError for a value out of range.
    """

    steps: int = 50
    learning_rate: float = 1e-5
    rank: int = 1
    batch: int = 1
    cfis: bool = True
    seed: int = 0
    loss: str = SQUARED
    suppress_end_of_text: bool = False
    initial: str = UNIFORM
    trains: str = KEYS_AND_VALUES
    stop_at: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "rank", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"The {name} of the training is {getattr(self, name)}, but must be at least 1: raise it."
                )
        if not 0 < self.learning_rate <= sys.float_info.max:
            raise ValueError(f"The learning rate is {self.learning_rate}: give a number above 0.")
        if not 0 <= self.stop_at <= 1:
            raise ValueError(
                f"The share of attention to stop at is {self.stop_at}, but must be 0 to 1: use 0.05."
            )
        for name, known in (("loss", LOSSES), ("initial", INITIALS), ("trains", TRAINS)):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"The {name} is {shown(value)}: use one of {', '.join(known)}.")
