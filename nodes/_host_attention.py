"""Cross-attention maps of a MODEL inside the host, with gradients to a LoRA that acts on activations.

Everything a node gets from the executor is an inference tensor, which autograd refuses. So the network runs
outside inference mode on ordinary parameters that share the storage of the real ones, and gets its own
objects back at the end. No weight is touched: the LoRA adds U(D context) to the projected keys and values.
"""

import re
from contextlib import contextmanager

import comfy.model_management
import comfy.sampler_helpers
import comfy.samplers
import comfy.utils
import torch

from ._host_patch import cross_attention_layers

BLOCK = re.compile(r"diffusion_model\.(input|middle|output)_blocks?\.(\d+)\..*_blocks\.(\d+)\.attn2")


class _LastMap(Exception):
    """Nothing after the last cross-attention enters the loss, so the network stops there."""


class HostAttentionModel:
    """mace_core's AttentionModel on a loaded MODEL. Made by `attention_model` only."""

    def __init__(self, patcher, layers, conds):
        self.layers = layers
        self._patcher = patcher
        self._conds = conds
        self._context = None
        self._maps: list[torch.Tensor] = []
        self._lora: tuple[dict, dict] = ({}, {})
        _install(patcher, layers, self)

    @property
    def device(self) -> torch.device:
        return self._patcher.load_device

    def scaled(self, latents) -> torch.Tensor:
        """Latents as the network reads them, from what travels between nodes."""
        return self._patcher.model.process_latent_in(latents.float())

    def noise(self, x_0, t, eps):
        sampling = self._patcher.get_model_object("model_sampling")
        x_0 = x_0.to(self.device)
        return sampling.noise_scaling(self._sigma(t, len(x_0)), eps.to(x_0), x_0)

    def attention(self, x_t, t, context, U, D) -> list[torch.Tensor]:
        self._maps, self._lora = [], (U, D)
        sigma = self._sigma(t, len(x_t))
        options = {**self._patcher.model_options["transformer_options"],
                   "cond_or_uncond": [0], "sigmas": sigma, "sample_sigmas": sigma}
        conds = {name: comfy.utils.repeat_to_batch_size(cond, len(x_t)) for name, cond in self._conds.items()}
        context = comfy.utils.repeat_to_batch_size(context.to(self.device), len(x_t))
        try:
            self._patcher.model.apply_model(x_t.to(self.device), sigma, c_crossattn=context,
                                            transformer_options=options, **conds)
        except _LastMap:
            pass
        maps, self._maps, self._lora, self._context = self._maps, [], ({}, {}), None
        return maps

    def _sigma(self, t, batch: int) -> torch.Tensor:
        sigmas = self._patcher.get_model_object("model_sampling").sigmas
        chosen = sigmas[torch.as_tensor(t, device=sigmas.device).long()]
        return chosen.to(self.device).reshape(-1).expand(batch).clone()

    def _record(self, name, last, q, k, v, heads):
        batch, places, width = q.shape
        dtype = v.dtype
        k, v = self._with_lora(k, f"{name}.to_k"), self._with_lora(v, f"{name}.to_v")
        q, k, v = (x.float().reshape(batch, -1, heads, width // heads).transpose(1, 2) for x in (q, k, v))
        probabilities = (q @ k.transpose(-1, -2) * (width // heads) ** -0.5).softmax(-1)
        self._maps.append(probabilities)
        if last:
            raise _LastMap
        return (probabilities @ v).transpose(1, 2).reshape(batch, places, width).to(dtype)

    def _with_lora(self, projected, layer):
        U, D = self._lora
        if layer not in U:
            return projected
        context = self._context.float()
        return projected.float() + context @ D[layer].to(context).T @ U[layer].to(context).T


@contextmanager
def attention_model(model, conditioning, latents, training=True):
    """A HostAttentionModel on `model`, outside inference mode, for inputs of the latents' shape."""
    work = model.clone()
    layers = cross_attention_layers(model)
    shape = [1, *latents.shape[1:]]
    # activations are kept for the backward pass, which takes a few times the memory of drawing
    memory = work.memory_required(shape) * (4 if training else 1)
    comfy.model_management.load_models_gpu([work], memory_required=memory, force_full_load=True)
    conds = _model_conds(work, conditioning, torch.zeros(shape))
    with torch.inference_mode(False), torch.set_grad_enabled(training), _ordinary_parameters(work.model):
        yield HostAttentionModel(work, layers, {name: cond.clone() for name, cond in conds.items()})


def _install(patcher, layers, host) -> None:
    """Plain functions, not methods: the host deep-copies model options, and copies functions by reference."""
    def remember(n, context, value, extra_options):
        host._context = context
        return n, context, value

    def replacement(name, last):
        return lambda q, k, v, extra_options: host._record(name, last, q, k, v, extra_options["n_heads"])

    patcher.set_model_attn2_patch(remember)
    names = [name.removesuffix(".to_k") for name in layers if name.endswith(".to_k")]
    for name in names:
        place, number, index = BLOCK.fullmatch(name).groups()
        number = 0 if place == "middle" else int(number)
        patcher.set_model_attn2_replace(replacement(name, name == names[-1]), place, number, int(index))


def _model_conds(patcher, conditioning, noise) -> dict[str, torch.Tensor]:
    """What the network reads beside the text: nothing in SD1.x and SD2.x, pooled text and sizes in SDXL."""
    conds = comfy.sampler_helpers.convert_cond(conditioning)
    device = patcher.load_device
    conds = comfy.samplers.encode_model_conds(patcher.model.extra_conds, conds, noise, device, "positive")
    tensors = {name: cond.process_cond(batch_size=1, device=device, area=None).cond
               for name, cond in conds[0]["model_conds"].items() if name != "c_crossattn"}
    return {name: cond for name, cond in tensors.items() if torch.is_tensor(cond)}


@contextmanager
def _ordinary_parameters(network):
    originals = [(module, name, parameter) for module in network.modules()
                 for name, parameter in module._parameters.items() if type(parameter) is torch.nn.Parameter]
    try:
        for module, name, parameter in originals:
            twin = torch.empty(0, dtype=parameter.dtype, device=parameter.device)
            storage, offset = parameter.untyped_storage(), parameter.storage_offset()
            twin.set_(storage, offset, parameter.size(), parameter.stride())
            module._parameters[name] = torch.nn.Parameter(twin, requires_grad=False)
        yield
    finally:
        for module, name, parameter in originals:
            module._parameters[name] = parameter
