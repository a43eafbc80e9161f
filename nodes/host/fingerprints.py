"""Fingerprints: what decides that two models, text encoders or VAEs are the same.

A fingerprint covers the numbers that the object computes with, including patches. Whatever else can change
its results (hooks, injections, wrappers, replaced objects) has no numbers to hash. Such an object has no
fingerprint, or a unique one, and nothing of it is cached.
"""

import hashlib
import uuid
from collections.abc import Callable
from weakref import WeakKeyDictionary

import comfy.sd
import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from ...mace_core.files.hashes import header, raw, values_hash
from .gated import gated_erasures
from .patch import PREFIX, cross_attention_layers
from .weights import is_weight, plain_weight, stored, weight_in_force

NOT_IN_EMBEDDINGS = ("logit_scale", "text_projection", "position_ids")  # often missing, then random
IN_POOLED = "clip_g.transformer.text_projection"  # never missing
UNTOLD = "untold-"
COMPUTE_DTYPE = "manual_cast_dtype"  # an object patch that the host puts on every CLIP
REMEMBERED = 8  # sets of patches per object

_known: WeakKeyDictionary = WeakKeyDictionary()  # network -> {(what, patches): (fingerprint, those patches)}
_untold: WeakKeyDictionary = WeakKeyDictionary()  # patcher -> its unique fingerprint


def model_fingerprint(model) -> str | None:
    """The fingerprint of a U-Net with its LoRAs; None if something other than weights can change it."""
    if model.model_options != {"transformer_options": {}} or model.object_patches or _is_changed(model):
        return None
    return _remembered(model, "network", lambda: _network_hash(model))


def base_fingerprint(model) -> str:
    """The fingerprint of the checkpoint that an erasure was made on, without patches (for the record)."""
    return _remembered(model, "base", lambda: _projections_hash(model, plain_weight), patches={})


def fingerprint_in_force(model) -> str:
    """The fingerprint of the text projections as they are used, with LoRAs and erasures, gated ones too."""
    weights = _remembered(model, "in force", lambda: _projections_hash(model, weight_in_force))
    for erasure, strength in gated_erasures(model):
        tensors = {"T": erasure.T, **erasure.gate.state(), **erasure.low_rank.state()}
        if erasure.pooled is not None:
            tensors |= {"up": erasure.pooled.up, "down": erasure.pooled.down, **erasure.gate.pooled.state()}
        weights = values_hash(weights=weights, strength=strength, **tensors)[: len(weights)]
    return weights


def vae_fingerprint(vae) -> str | None:
    """The fingerprint of a VAE; None for a class from another pack, which can decode in its own way."""
    if type(vae) is not comfy.sd.VAE:
        return None

    def compute() -> str:
        digest = hashlib.sha256()
        for key, weight in sorted(vae.get_sd().items()):
            _add(digest, key, weight)
        return digest.hexdigest()

    return _remembered(vae.patcher, "vae", compute)


def encoder_fingerprint(clip) -> str:
    """The fingerprint of a text encoder: its weights with LoRAs, and the layer that is read.

    Weights are hashed as fp16, so that fp16 and fp32 copies of a text encoder count as the same.
    """
    patcher = clip.patcher
    hooked = clip.apply_hooks_to_conds or clip.use_clip_schedule or getattr(clip, "tokenizer_options", None)
    if hooked or set(patcher.object_patches) - {COMPUTE_DTYPE} or _is_changed(patcher):
        return _untold.setdefault(patcher, f"{UNTOLD}{uuid.uuid4().hex}")
    return _remembered(patcher, f"layer {clip.layer_idx}", lambda: _encoder_hash(clip))


def is_told(fingerprint: str) -> bool:
    """Whether another run or machine would give the same object the same fingerprint."""
    return not fingerprint.startswith(UNTOLD)


def _is_changed(patcher) -> bool:
    """Whether something other than a weight patch can change what the network computes."""
    return any(
        (
            patcher.injections,
            patcher.hook_patches,
            patcher.forced_hooks,
            patcher.attachments,
            patcher.weight_wrapper_patches,
            patcher.additional_models,
            *(
                some
                for kinds in (patcher.wrappers, patcher.callbacks)
                for kind in kinds.values()
                for some in kind.values()
            ),
        )
    )


def _remembered(patcher, what: str, compute: Callable[[], str], patches=None) -> str:
    """Compute a fingerprint once for each set of patches on a network, because SDXL has 6.7 GB to read.

    Weights change only by patches (the host keeps a backup of what it patches in place). Patches are compared
    by identity and held, so that no other object can get the identity of a deleted one.
    """
    patches = patcher.patches if patches is None else patches
    held = [patch for key in sorted(patches) for patch in patches[key]]
    which = (what, tuple((key, *map(_identity, patches[key])) for key in sorted(patches)))
    known = _known.setdefault(patcher.model, {})
    if which not in known:
        fingerprint = compute()
        while len(known) >= REMEMBERED:
            known.pop(next(iter(known)))
        known[which] = fingerprint, held
    return known[which][0]


def _identity(patch: tuple) -> tuple:
    strength, value, strength_model, offset, function = patch
    return strength, id(value), strength_model, str(offset), id(function)


def _network_hash(model) -> str:
    digest = hashlib.sha256(f"{type(model.model).__name__} {model.model.model_type}".encode())
    state = model.model_state_dict(PREFIX)
    for key in sorted(state):
        weight, _, patches = stored(model, key) if is_weight(model.model, key) else (state[key], None, ())
        _add(digest, key, weight_in_force(model, key) if patches else weight)
    return digest.hexdigest()


def _projections_hash(model, weight_of) -> str:
    digest = hashlib.sha256()
    for layer in cross_attention_layers(model):
        digest.update(raw(weight_of(model, f"{layer}.weight").to("cpu", torch.float16)))
    return digest.hexdigest()[:32]


def _encoder_hash(clip) -> str:
    digest = hashlib.sha256(f"layer {clip.layer_idx}".encode())
    patcher = clip.patcher
    for key in sorted(patcher.model_state_dict()):
        read = key.startswith(IN_POOLED) or not any(name in key for name in NOT_IN_EMBEDDINGS)
        if not read or not is_weight(patcher.model, key):
            continue
        digest.update(key.encode())
        digest.update(raw(weight_in_force(patcher, key).to("cpu", torch.float16)))
    return digest.hexdigest()[:32]


def _add(digest, key: str, weight) -> None:
    if is_traceable_wrapper_subclass(weight):  # quantised: the stored numbers and their scales
        for name in weight.__tensor_flatten__()[0]:
            _add(digest, f"{key} {name}", getattr(weight, name))
        return
    digest.update(header(weight, key).encode())
    digest.update(raw(weight))
