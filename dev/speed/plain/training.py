"""Stage 2 for one concept: each step encodes the image and the prompt, and runs the whole U-Net forward and
backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Factors = Mapping[str, tuple[Tensor, Tensor]]  # name of a to_k or to_v -> U [o, r], D [r, d], with gradients


@dataclass(frozen=True, eq=False)
class Model:
    """A Stable Diffusion model. attentions: name of each attn2 -> its module, with to_q, to_k, to_v, to_out,
    heads; encode_image: pixels -> x_0 ``[1, 4, h, w]``; encode_text: prompt -> context ``[1, L, d]``;
    noised: (x_0, t, eps) -> x_t; run: (x_t, t, context) -> noise."""

    attentions: Mapping[str, torch.nn.Module]
    encode_image: Callable
    encode_text: Callable
    noised: Callable
    run: Callable


class PlainTraining:
    """The training of one LoRA. The forward functions of the attentions are replaced until `close`."""

    def __init__(self, model: Model, factors: Factors, learning_rate: float):
        self._model, self._factors, self._maps = model, factors, []
        for name, module in model.attentions.items():
            module.forward = self._forward(module, name)
        parameters = [factor for both in factors.values() for factor in both]
        self._optimiser = torch.optim.AdamW(parameters, learning_rate, weight_decay=0.01)

    def close(self) -> None:
        for module in self._model.attentions.values():
            del module.forward

    def step(self, image: Tensor, mask: Tensor, prompt: str, tokens: list[int], t: Tensor) -> float:
        """One step on an image with its mask ``[H, W]``; tokens: positions of the phrase in the prompt."""
        with torch.no_grad():
            x_0, context = self._model.encode_image(image), self._model.encode_text(prompt)
        x_t = self._model.noised(x_0, t, torch.randn_like(x_0))
        self._optimiser.zero_grad()
        loss = self.loss(x_t, t, context, mask, tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([factor for both in self._factors.values() for factor in both], 1.0)
        self._optimiser.step()
        return loss.item()

    def loss(self, x_t: Tensor, t: Tensor, context: Tensor, mask: Tensor, tokens: list[int]) -> Tensor:
        """Equation 3: the sum over layers and tokens of | A . M |^2."""
        self._maps.clear()
        self._model.run(x_t, t, context)
        total = torch.zeros(())
        for A in self._maps:
            side = round((A.shape[2] * x_t.shape[2] / x_t.shape[3]) ** 0.5)
            M = F.interpolate(mask[None, None], (side, A.shape[2] // side), mode="area").flatten()
            for i in tokens:
                total = total + (A[0, :, :, i] * M).square().sum()
        return total

    def _forward(self, module: torch.nn.Module, name: str) -> Callable:
        def forward(x: Tensor, context: Tensor | None = None, *_, **__) -> Tensor:
            q, k, v = module.to_q(x), module.to_k(context), module.to_v(context)
            k, v = self._with_lora(k, context, f"{name}.to_k"), self._with_lora(v, context, f"{name}.to_v")
            q, k, v = (y.float().unflatten(-1, (module.heads, -1)).transpose(1, 2) for y in (q, k, v))
            A = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
            self._maps.append(A)
            return module.to_out((A @ v).transpose(1, 2).flatten(2).to(x.dtype))

        return forward

    def _with_lora(self, projected: Tensor, context: Tensor, layer: str) -> Tensor:
        U, D = self._factors[layer]
        return projected + context.float() @ D.T @ U.T
