"""Stage 2 in closed form: what equation 3 asks for, solved layer by layer on a few passes without gradients.

The attention of a head at a place with query q to token i grows with the logit q.k_i / sqrt(dh). Two small
least squares problems lower the logits of the concept's tokens inside the mask M, and nothing else:

- D ``[1, d]`` tells the concept's tokens S from all other tokens of its prompts. With b = sum_S e and C of
  equation 7, the minimum of sum_S (D e - 1)^2 + sum_others (D e)^2 + a |D|^2 is D = b^T (C + a I)^-1.
- u ``[dh]``, added to the keys of S in one head, should change q.u / sqrt(dh) by -s inside the mask and by
  nothing outside. With Q = sum q q^T over all places and m = sum M q over the mask, the minimum of
  sum M (q.u / sqrt(dh) + s)^2 + sum (1 - M) (q.u / sqrt(dh))^2 + a |u|^2 / dh is
  u = -s sqrt(dh) (Q + a I)^-1 m.

The u of all heads, one under the other, are U ``[o, 1]``: Delta W = U D on every to_k, of rank 1. A layer's
maps depend on its own keys at once, on earlier layers only through the picture: values are left as they are.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..refinement.moments import second_moment
from ..version import VERSION
from .attention_loss import attention_losses
from .attention_maps import layer_size, resize_masks
from .exact import OnStep, Sample, TrainSettings, draw, examples_of, timesteps_of
from .lora import ConceptLoRA
from .network import AttentionModel, check_width
from .training_set import TrainingImages, TrainingPrompts

SAMPLES = 8  # pictures, each with a prompt, a timestep and noise, one after the other
DROP = 16.0  # s: what the logits should fall by inside the mask; at 8 tests/e2e's rabbit stood
RIDGE = 1e-3  # a, relative to the mean eigenvalue


def fast_concept_lora(
    model: AttentionModel,
    prompts: TrainingPrompts,
    images: TrainingImages,
    concept: Concept,
    settings: TrainSettings,
    on_step: OnStep | None = None,
) -> tuple[ConceptLoRA, list[float]]:
    """The LoRA of a concept (float32, CPU) from ``SAMPLES`` passes through the refined model.

    The moments are sums over samples, so the memory is that of one sample. The losses are equation 3 of one
    sample, without and with the LoRA. Of ``settings``, all but steps, learning_rate, rank and batch count.
    ``on_step(sample, SAMPLES, [])`` is called after each pass and may raise to cancel. Only the layers named
    to_k get factors. The same seed gives the same result. Works under inference mode. Raises ValueError when
    the prompts have another width than the model, or a query is not finite.
    """
    check_width(model, prompts)
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.inference_mode(False), torch.no_grad():
        examples = examples_of(prompts, images, settings)
        size = tuple(examples.latents.shape[-2:])
        sample = draw(examples, timesteps_of(settings), SAMPLES, generator)
        x_t = model.noise(sample.x_0, sample.t, sample.eps)
        moments = sample_moments(model, sample, x_t, size, on_step)
        keys = [name for name in model.layers if name.endswith("to_k")]
        C = second_moment([examples.contexts])
        D = token_direction(examples.contexts, examples.suppressed, C)[None].float()
        U = {name: key_edit(*each)[:, None].float() for name, each in zip(keys, moments, strict=True)}
        if not all(torch.isfinite(u).all() for u in U.values()):
            raise ValueError(
                f"The queries of '{concept.target}' contain NaN or infinity: run the model in float32."
            )
        D = {name: D.clone() for name in keys}
        maps = [
            model.attention(x_t[:1], sample.t[:1], sample.context[:1], *lora) for lora in (({}, {}), (U, D))
        ]
        losses = [
            attention_losses(A, sample.suppressed[:1], sample.masks[:1], size, settings.loss).item()
            for A in maps
        ]
    provenance = {
        "settings": asdict(settings),
        "method": "fast",
        "images": len(images.latents),
        "final_loss": losses[-1],
        "pack": VERSION,
        "torch": str(torch.__version__),
    }
    return ConceptLoRA(concept, U, D, C, prompts.fingerprint, provenance), losses


def sample_moments(
    model: AttentionModel, sample: Sample, x_t: Tensor, size: tuple[int, int], on_step: OnStep | None = None
) -> list[tuple[Tensor, Tensor]]:
    """``query_moments`` of each layer, summed over the samples, one pass of the network for each."""
    total: list[tuple[Tensor, Tensor]] = []
    for i in range(len(x_t)):
        one = slice(i, i + 1)
        found = model.queries(
            x_t[one],
            sample.t[one],
            sample.context[one],
            lambda q, one=one: query_moments(q, sample.masks[one], size),
        )
        pairs = zip(total, found, strict=True) if total else ()
        total = [(Q + Q_i, m + m_i) for (Q, m), (Q_i, m_i) in pairs] or found
        if on_step is not None:
            on_step(i + 1, len(x_t), [])
    return total


def query_moments(q: Tensor, masks: Tensor, latent_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Q ``[heads, dh, dh]`` and m ``[heads, dh]``, float64, of queries ``[B, heads, h*w, dh]``.

    masks: ``[B, H, W]`` in 0..1; latent_size: (height, width) of the latent.
    """
    M = resize_masks(masks, layer_size(q.shape[2], latent_size)).to(q)[:, None, :, None]
    Q, m = (q.mT @ q).sum(0), (M * q).sum((0, 2))
    return Q.cpu().double(), m.cpu().double()


def key_edit(Q: Tensor, m: Tensor) -> Tensor:
    """u of all heads ``[heads * dh]`` from their moments, in float64."""
    dh = Q.shape[-1]
    u = -DROP * dh**0.5 * torch.linalg.solve(_ridged(Q), m)
    return u.flatten()


def token_direction(contexts: Tensor, suppressed: Tensor, C: Tensor) -> Tensor:
    """D ``[d]`` float64: about 1 on the ``suppressed`` ``[n, L]`` of ``contexts`` ``[n, L, d]``, else 0."""
    b = contexts[suppressed].double().sum(0)
    return torch.linalg.solve(_ridged(C), b)


def _ridged(A: Tensor) -> Tensor:
    """A + a I for A ``[..., n, n]``."""
    mean = A.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return A + RIDGE * mean * torch.eye(A.shape[-1], dtype=A.dtype)
