"""Cross-attention maps of a MODEL inside the host, with gradients to a LoRA that acts on activations.

No weight changes: the LoRA adds U(D context) to the projected keys and values. A pass without gradients runs
on the U-Net as the host manages it, a pass with gradients on ordinary weights (gradients.py).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import comfy.model_management
import comfy.sampler_helpers
import comfy.samplers
import comfy.utils
import torch
from comfy.model_patcher import set_model_options_patch_replace

from ...mace_core.training.factors import KEY, LowRank, keys_of
from ...mace_core.training.network import TIMESTEPS
from .gradients import differentiable, is_dynamic, ordinary_weights
from .memory import checkpointed_blocks, is_short_of_memory, maps_memory, training_memory
from .patch import cross_attention_layers

BLOCK = r"diffusion_model\.(input|middle|output)_blocks?\.(\d+)\..*_blocks\.(\d+)\.attn2"


class _LastMap(Exception):
    """Stops the U-Net at the last cross-attention, because nothing after it enters the loss."""


class HostAttentionModel:
    """mace_core's AttentionModel and NoiseModel on a loaded MODEL. Created only by `attention_model`."""

    def __init__(self, patcher, layers, conds, training: bool):
        self.layers = layers
        self._patcher = patcher
        self._conds = conds
        self._training = training

    @property
    def device(self) -> torch.device:
        return self._patcher.load_device

    def scaled(self, latents) -> torch.Tensor:
        """Samples of a LATENT, scaled as the U-Net expects them."""
        return self._patcher.model.process_latent_in(latents.float())

    def noise(self, x_0, t, eps) -> torch.Tensor:
        sampling = self._patcher.get_model_object("model_sampling")
        x_0 = x_0.to(self.device)
        return sampling.noise_scaling(self._sigma(t, len(x_0)), eps.to(x_0), x_0)

    def attention(self, x_t, t, context, lora: LowRank) -> list[torch.Tensor]:
        """The maps of every cross-attention, as `mace_core` defines them."""
        return list(self._run(x_t, t, context, _Pass(lora)).values())

    @torch.no_grad()
    def queries(self, x_t, t, context, of) -> dict:
        """Name of each to_k -> ``of`` its queries, as `mace_core` defines them."""
        return self._run(x_t, t, context, _Pass(LowRank(), of))

    def predicted_noise(self, x_t, t, context, lora: LowRank) -> torch.Tensor:
        """The eps of the whole U-Net, differentiable in context, U and D (mace_core's NoiseModel)."""
        x_t, recorded = x_t.to(self.device), _Pass(lora, whole=True)
        sigma = self._sigma(t, len(x_t)).view(-1, 1, 1, 1)
        return (x_t - self._apply(x_t, t, context, recorded)) / sigma

    def _run(self, x_t, t, context, recorded) -> dict:
        try:
            self._apply(x_t, t, context, recorded)
        except _LastMap:
            pass
        found, recorded.found = recorded.found, None
        return found

    def _apply(self, x_t, t, context, recorded) -> torch.Tensor:
        sigma = self._sigma(t, len(x_t))
        options = {
            **_recording(self._patcher.model_options, self.layers, recorded, self._training),
            "cond_or_uncond": [0],
            "sigmas": sigma,
            "sample_sigmas": sigma,
        }
        # grouped by concept, like the samples of a batch
        conds = {name: cond.repeat_interleave(len(x_t) // len(cond), 0) for name, cond in self._conds.items()}
        context = comfy.utils.repeat_to_batch_size(context.to(self.device), len(x_t))
        return self._patcher.model.apply_model(
            x_t.to(self.device), sigma, c_crossattn=context, transformer_options=options, **conds
        )

    def _sigma(self, t, batch: int) -> torch.Tensor:
        """Sigma `[batch]` at timestep t, 0 to 999. Distilled schedules have fewer: this takes the nearest."""
        sigmas = self._patcher.get_model_object("model_sampling").sigmas
        t = torch.as_tensor(t, device=sigmas.device).double()
        place = ((t + 1) * len(sigmas) / TIMESTEPS).round().long() - 1
        return sigmas[place.clamp(min=0)].to(self.device).reshape(-1).expand(batch).clone()


class _Pass:
    """One pass through the U-Net: its LoRA, and its results until they are returned.

    The results are the attention maps, or what `of_queries` computes from the queries; a pass through the
    whole U-Net has none. A block that runs again in the backward pass adds no second map, because `found` is
    None by then.
    """

    def __init__(self, lora: LowRank, of_queries=None, whole=False):
        self.found: dict | None = None if whole else {}
        self._whole = whole
        self._of_queries = of_queries
        self._lora = lora
        self._context = None

    def remember(self, n, context, value, extra_options) -> tuple:
        self._context = context
        return n, context, value

    def record(self, name, last, q, k, v, heads) -> torch.Tensor:
        batch, places, width = q.shape
        dtype = v.dtype
        k, v = self._with_lora(k, f"{name}.to_k"), self._with_lora(v, f"{name}.to_v")
        q, k, v = (x.float().reshape(batch, -1, heads, width // heads).transpose(1, 2) for x in (q, k, v))
        probabilities = (q @ k.transpose(-1, -2) * (width // heads) ** -0.5).softmax(-1)
        if self.found is not None:
            self.found[f"{name}{KEY}"] = self._of_queries(q) if self._of_queries else probabilities
        if last and not self._whole:
            raise _LastMap
        return (probabilities @ v).transpose(1, 2).reshape(batch, places, width).to(dtype)

    def _with_lora(self, projected, layer) -> torch.Tensor:
        if layer not in self._lora:
            return projected
        U, D = self._lora[layer]
        context = self._context.float()
        return projected.float() + context @ D.to(context).mT @ U.to(context).mT


@contextmanager
def attention_model(
    model, conditioning, latents, training=True, low_memory=None
) -> Iterator[HostAttentionModel]:
    """A HostAttentionModel on `model`, outside inference mode, for inputs of the latents' shape.

    conditioning: one entry for all samples, or one per concept, with the samples grouped by concept.
    training: with gradients.
    low_memory: recompute activations in the backward pass; None: only if they do not fit on the device.
    """
    work = model.clone()
    layers = cross_attention_layers(model)
    shape = [len(conditioning), *latents.shape[1:]]
    memory = work.memory_required(shape) + maps_memory(work, layers, shape)
    if training:
        low_memory = is_short_of_memory(work, layers, shape) if low_memory is None else low_memory
        memory = training_memory(work, layers, shape, low_memory)
    if training and is_dynamic(work):  # ordinary weights are copies in addition to the host's own
        memory += work.model_size()
    comfy.model_management.load_models_gpu([work], memory_required=memory, force_full_load=True)
    conds = _model_conds(work, conditioning, torch.zeros([1, *shape[1:]]))
    saving = checkpointed_blocks(work.model, layers) if training and low_memory else nullcontext()
    with torch.inference_mode(False), torch.set_grad_enabled(training), saving:
        with ordinary_weights(work) if training else nullcontext():
            conds = {name: cond.clone() for name, cond in conds.items()}
            yield HostAttentionModel(work, layers, conds, training)


def _recording(model_options: dict, layers, recorded: _Pass, training: bool) -> dict:
    """Transformer options for one pass: those of the MODEL, and patches that record the maps."""

    def replacement(name, last) -> Callable:
        return lambda q, k, v, extra_options: recorded.record(name, last, q, k, v, extra_options["n_heads"])

    options = model_options["transformer_options"]
    options = differentiable(options) if training else dict(options)
    patches = options.get("patches", {})
    options["patches"] = patches | {"attn2_patch": [*patches.get("attn2_patch", ()), recorded.remember]}
    model_options = {"transformer_options": options}
    names = [name.removesuffix(KEY) for name in keys_of(layers)]
    for name in names:
        place, number, index = re.fullmatch(BLOCK, name).groups()
        number = 0 if place == "middle" else int(number)
        model_options = set_model_options_patch_replace(
            model_options, replacement(name, name == names[-1]), "attn2", place, number, int(index)
        )
    return model_options["transformer_options"]


def _model_conds(patcher, conditioning, noise) -> dict[str, torch.Tensor]:
    """Inputs of the U-Net besides the text: none in SD1.x and SD2.x, pooled text and sizes in SDXL."""
    conds = comfy.sampler_helpers.convert_cond(conditioning)
    device = patcher.load_device
    # inpainting and editing models also take an image: an empty one here, as in a sampler without a mask
    conds = comfy.samplers.encode_model_conds(
        patcher.model.extra_conds, conds, noise, device, "positive", latent_image=noise, seed=0
    )
    tensors = {
        name: [
            cond["model_conds"][name].process_cond(batch_size=1, device=device, area=None).cond
            for cond in conds
        ]
        for name in conds[0]["model_conds"]
        if name != "c_crossattn"
    }
    return {name: torch.cat(each) for name, each in tensors.items() if torch.is_tensor(each[0])}
