"""Inputs that several nodes have, so that they look and behave the same on each."""

import inspect

from comfy_api.latest import io

from ..mace_core.presets import OWN, PRESETS
from ..mace_core.refinement.refine import PRESERVE_WEIGHT, RELATIVE_RIDGE, RIDGE
from .host.judge import BUNDLED_NAME, judge_names
from .sockets import Concepts

PRESET = (
    "paper, published code: the authors' preserve_weight and ridge; all kinds except object then need a "
    "prior."
)


def expert(kind: type, *args, **kwargs) -> io.Input:
    """An advanced input, hidden by default; an ordinary one on hosts that do not support this."""
    if "advanced" in inspect.signature(kind.Input.__init__).parameters:
        kwargs["advanced"] = True
    return kind.Input(*args, **kwargs)


def seed_input(tooltip: str) -> io.Input:
    """A seed that stays as it is after a run."""
    return io.Int.Input(
        "seed", default=0, min=0, max=2**64 - 1, control_after_generate=False, tooltip=tooltip
    )


def steps_input(tooltip: str = "Sampling steps per image.") -> io.Input:
    """Sampling steps."""
    return io.Int.Input("steps", default=30, min=1, max=200, tooltip=tooltip)


def cfg_input(advanced: bool = True) -> io.Input:
    """The guidance scale."""
    settings = {"default": 7.5, "min": 0.0, "max": 30.0, "step": 0.5}
    tooltip = "Guidance scale, as in KSampler. Use 4 for the bundled miniature."
    if advanced:
        return expert(io.Float, "cfg", **settings, tooltip=tooltip)
    return io.Float.Input("cfg", **settings, tooltip=tooltip)


def clip_input() -> io.Input:
    """The text encoder of the checkpoint on the wire."""
    return io.Clip.Input("clip", tooltip="The CLIP of the same checkpoint.")


def vae_input() -> io.Input:
    """The VAE of the checkpoint on the wire."""
    return io.Vae.Input("vae", tooltip="The VAE of the same checkpoint, to decode the images.")


def evidence_inputs() -> list:
    """What scoring and probing an erasure need: both models, the concepts, the size."""
    return [
        io.Model.Input("before", tooltip="The original MODEL."),
        io.Model.Input("after", tooltip="The erased MODEL, from Apply Erased Model."),
        clip_input(),
        vae_input(),
        Concepts.Input("concepts", tooltip="The erased concepts, from Erase Concepts."),
        io.Latent.Input("latent", tooltip="An Empty Latent Image: sets the image size."),
    ]


def judge_input() -> io.Input:
    """The judge, from the folders on this machine."""
    return io.Combo.Input(
        "judge",
        options=judge_names(),
        default=BUNDLED_NAME,
        tooltip="Classifies images: a CLIPModel folder in models/mace/judges or models/clip. "
        "The bundled one knows only the miniature.",
    )


def balance_inputs(preserve_weight: str, ridge: str) -> list:
    """The inputs that balance erasing and preserving, the same in stages 1 and 3, with their tooltips."""
    most = {"min": 0.0, "max": 1e6, "round": False}
    return [
        expert(
            io.Float,
            "preserve_weight",
            default=PRESERVE_WEIGHT,
            step=1e-5,
            tooltip=preserve_weight,
            **most,
        ),
        expert(io.Float, "ridge", default=RIDGE, step=1.0, tooltip=ridge, **most),
        io.Combo.Input("preset", options=list(PRESETS), default=OWN, optional=True, tooltip=PRESET),
        expert(
            io.Float,
            "relative_ridge",
            default=RELATIVE_RIDGE,
            step=0.01,
            optional=True,
            tooltip="A ridge that grows with the list. 0: the paper's equation; 0.05: for an export of many "
            "concepts.",
            **most,
        ),
    ]
