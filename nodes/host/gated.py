"""Applies an Erasure with its gate, on the activations of the text projections.

A gate depends on the prompt, so no weight can hold it. Each projection gets another forward function as an
object patch, which the host puts in place with the MODEL and removes with it.
"""

from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch

from ...mace_core.erasure.erasure import Erasure
from ...mace_core.erasure.gate import gate_values, replacements
from ...mace_core.erasure.pooled import LAYER, pooled_gate_values

SAVING = "state_dict_for_saving"
FORWARD = ".forward"
REMEMBERED = 4  # contexts: a prompt, a negative prompt, and two more where the host runs them apart


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a gate makes of one context e `[B, L, d]`: moved = e + s g (T - I) e and g = s g(e) `[B, L, 1]`.

    A hardened gate has g = s (1 - h) g(e), and adds s h (r - e) to moved. is_open: g or h > 0; read: what
    each projection's D reads, g D e `[B L, q]`, filled as they ask.
    """

    moved: torch.Tensor
    g: torch.Tensor
    is_open: torch.Tensor
    read: dict[int, torch.Tensor] = field(default_factory=dict)


class _Prompt:
    """The contexts of the last passes with their gates.

    A sampler builds its context anew for every step, from the same numbers. All projections of a U-Net read
    the same tensor.
    """

    def __init__(self, erasure: Erasure, strength: float):
        self.erasure, self.strength = erasure, strength
        self._tensors: dict[torch.device, tuple] = {}
        self._known: list[tuple[torch.Tensor, _Opened | None]] = []
        self._seen, self._found = (lambda: None), None

    def opened(self, e: torch.Tensor) -> _Opened | None:
        """The gate of a context `[B, L, d]`; None if it is shut everywhere."""
        if e.requires_grad:
            return self._computed(e)
        if self._seen() is not e:
            self._found = self._remembered(e)
            self._seen = ref(e)
        return self._found

    def _remembered(self, e: torch.Tensor) -> _Opened | None:
        for known, found in self._known:
            if _are_equal(known, e):
                return found
        found = self._computed(e)
        self._known = [*self._known[1 - REMEMBERED :], (e.clone(), found)]
        return found

    def _computed(self, e: torch.Tensor) -> _Opened | None:
        gate, change = self._on(e.device)
        g = self.strength * gate_values(gate, e)[..., None]
        is_open = g > 0
        if not is_open.any():
            return None
        moved = e.float()
        if gate.directions is not None:
            h, replacement = replacements(gate, e)
            replaced = self.strength * h[..., None]
            g, is_open = g * (1 - h[..., None]), is_open | (replaced > 0)
            moved = moved + replaced * (replacement - moved)
        moved = moved + g * (e.float() @ change.T)
        return _Opened(torch.where(is_open, moved.to(e.dtype), e), g, is_open)

    @torch.inference_mode(False)  # autograd cannot save tensors that were created in inference mode
    def _on(self, device: torch.device) -> tuple:
        """The gate and T - I `[d, d]` on a device."""
        if device not in self._tensors:
            T = self.erasure.T.to(device, copy=True)
            change = T - torch.eye(len(T), device=device)
            self._tensors[device] = self.erasure.gate.to(device, copy=True), change
        return self._tensors[device]


def _are_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    # autograd cannot save what was made of an inference tensor, so the two kinds are kept apart
    kinds = [(each.dtype, each.device, each.is_inference()) for each in (a, b)]
    return kinds[0] == kinds[1] and torch.equal(a, b)


class GatedProjection:
    """The forward function of one projection: k' = W (e + s g (T - I) e) + s g U D e."""

    def __init__(self, forward, prompt: _Prompt, factors: tuple | None):
        self._forward, self._prompt, self._factors = forward, prompt, factors
        self._tensors: dict[torch.device, tuple] = {}

    @property
    def erasure(self) -> Erasure:
        return self._prompt.erasure

    @property
    def strength(self) -> float:
        return self._prompt.strength

    def __call__(self, e: torch.Tensor, *args, **named) -> torch.Tensor:
        found = self._prompt.opened(e)
        if found is None:
            return self._forward(e, *args, **named)
        projected = self._forward(found.moved, *args, **named)
        if self._factors is None:
            return projected
        U, D = self._on(e.device)
        if id(self) not in found.read:
            found.read[id(self)] = (found.g * (e.float() @ D.T)).flatten(0, -2)
        added = torch.addmm(projected.float().flatten(0, -2), found.read[id(self)], U.T)
        return torch.where(found.is_open, added.view(projected.shape).to(projected.dtype), projected)

    @torch.inference_mode(False)
    def _on(self, device: torch.device) -> tuple:
        """U and D on a device."""
        if device not in self._tensors:
            self._tensors[device] = tuple(each.to(device, copy=True) for each in self._factors)
        return self._tensors[device]


class GatedPooled:
    """The forward function of the layer that reads the pooled vector p: W (p + s g (T_p - I) p), on the first
    columns of its input."""

    def __init__(self, forward, erasure: Erasure, strength: float):
        self._forward, self._erasure, self._strength = forward, erasure, strength
        self._tensors: dict[torch.device, tuple] = {}

    def __call__(self, y: torch.Tensor, *args, **named) -> torch.Tensor:
        gate, up, down = self._on(y.device)
        p, others = y[..., : gate.width], y[..., gate.width :]
        g = self._strength * pooled_gate_values(gate, p)[..., None]
        is_open = g > 0
        if not is_open.any():
            return self._forward(y, *args, **named)
        moved = p.float() + g * (p.float() @ down.T @ up.T)
        edited = torch.cat([torch.where(is_open, moved.to(y.dtype), p), others], -1)
        return self._forward(edited, *args, **named)

    @torch.inference_mode(False)
    def _on(self, device: torch.device) -> tuple:
        """The gate and the factors of T_p - I on a device."""
        if device not in self._tensors:
            edit = self._erasure.pooled
            self._tensors[device] = (
                self._erasure.gate.pooled.to(device, copy=True),
                edit.up.to(device, copy=True),
                edit.down.to(device, copy=True),
            )
        return self._tensors[device]


def add_gated_pooled(clone, erasure: Erasure, strength: float) -> None:
    """Put the gated edit of the pooled vector on a clone of a MODEL that reads it."""
    forward = clone.get_model_object(f"{LAYER}{FORWARD}")
    clone.add_object_patch(f"{LAYER}{FORWARD}", GatedPooled(forward, erasure, strength))


def add_gated(clone, erasure: Erasure, layers, strength: float) -> None:
    """Put the gated erasure on a clone of a MODEL. Saving the clone as a checkpoint raises ValueError."""
    prompt = _Prompt(erasure, strength)
    for layer in layers:
        forward = clone.get_model_object(f"{layer}{FORWARD}")
        gated = GatedProjection(forward, prompt, erasure.low_rank.get(layer))
        clone.add_object_patch(f"{layer}{FORWARD}", gated)
    clone.add_object_patch(SAVING, _refuse_to_save)


def gated_erasures(model) -> list[tuple[Erasure, float]]:
    """The gated erasures on a MODEL, each with its strength."""
    found = {
        id(patch.erasure): (patch.erasure, patch.strength)
        for patch in model.object_patches.values()
        if isinstance(patch, GatedProjection)
    }
    return list(found.values())


def _refuse_to_save(*_, **__) -> Any:
    raise ValueError(
        "This MODEL is erased with a gate, which a checkpoint cannot hold, so the file would not be erased: "
        "set 'mode' of Apply Erased Model to linear to save it."
    )
