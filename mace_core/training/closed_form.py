"""Stage 2 in closed form: equation 3 solved layer by layer, from a few passes without gradients.

The attention of a head at a place with query q to token i grows with the logit q.k_i / sqrt(dh). Two small
least-squares problems lower the logits of the concept's tokens inside the mask M, and change nothing else:

- D ``[1, d]`` separates the concept's tokens S from all other tokens of its prompts, and from words of a few
  everyday names, which together count as much as S. With b = sum_S e, C of equation 7 and P of those words,
  the minimum of sum_S (D e - 1)^2 + sum_others (D e)^2 + a |D|^2 is D = b^T (C + P + a I)^-1.
- u ``[dh]``, added to the keys of S in one head, must change q.u / sqrt(dh) by -s inside the mask and by
  nothing outside. With Q = sum q q^T over all places and m = sum M q over the mask, the minimum of
  sum M (q.u / sqrt(dh) + s)^2 + sum (1 - M) (q.u / sqrt(dh))^2 + a |u|^2 / dh is
  u = -s sqrt(dh) (Q + a I)^-1 m.

The u of all heads, stacked, are U ``[o, 1]``: Delta W = U D on every to_k, of rank 1. The maps of a layer
depend directly on its own keys, and on earlier layers only through the image, so the values are left
unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..files.shown import shown
from ..refinement.moments import second_moment
from .attention_loss import attention_losses
from .attention_maps import layer_size, resize_masks
from .effect import effects_of
from .exact import OnStep
from .factors import LowRank
from .lora import ConceptLoRA, Provenance
from .network import AttentionModel, check_width
from .samples import Sample, between, drawn_evenly, examples_of
from .settings import TrainSettings
from .training_set import TrainingImages, TrainingPrompts

FEW = 2  # samples held out, three passes each: the training itself is only a few more


@dataclass(frozen=True)
class ClosedForm:
    """The constants of this method, measured on the tuning split: drop and ridge by `python -m
    dev.mass.constants`, the others by `python -m dev.mass.compare_trainers` (docs/results).

    samples: images, each with a prompt, a timestep and noise; first, last: the timesteps between which they
    are spread evenly; drop: s, by how much the logits fall inside the mask; ridge: a, relative to the mean
    eigenvalue; words: how much the everyday words count, relative to the concept's own.
    """

    samples: int = 8
    drop: float = 16.0
    ridge: float = 1e-3
    first: int = 50
    last: int = 950
    words: float = 1.0


DEFAULT = ClosedForm()


def fast_concept_lora(
    model: AttentionModel,
    prompts: TrainingPrompts,
    images: TrainingImages,
    concept: Concept,
    settings: TrainSettings,
    on_step: OnStep | None = None,
    constants: ClosedForm = DEFAULT,
) -> tuple[ConceptLoRA, list[float]]:
    """The LoRA of a concept (float32, CPU), and equation 3 without and with it, on samples held out.

    One pass through the refined model per sample; the moments are sums over samples, so memory is that of one
    sample. ``settings``: only seed, loss and suppress_end_of_text are used. ``on_step(sample, samples, [])``
    is called after each pass and can raise to cancel. Only layers named to_k get factors. The same seed gives
    the same result. Works under inference mode. Raises ValueError if the prompts have another width than the
    model, or if a query is not finite.
    """
    check_width(model, prompts)
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.inference_mode(False), torch.no_grad():
        examples = examples_of(prompts, images, settings)
        size = tuple(examples.latents.shape[-2:])
        xi = between(constants.first, constants.last)
        sample = drawn_evenly(examples, xi, constants.samples, generator)
        x_t = model.noise(sample.x_0, sample.t, sample.eps)
        moments = sample_moments(model, sample, x_t, size, on_step)
        C = second_moment([examples.contexts])
        P = constants.words * words_moment(prompts.others, int(examples.suppressed.sum()))
        D = token_direction(examples.contexts, examples.suppressed, C + P, constants.ridge)[None].float()
        low_rank = LowRank(
            {
                layer: (key_edit(Q, m, constants)[:, None].float(), D.clone())
                for layer, (Q, m) in moments.items()
            }
        )
        if not all(factor.isfinite().all() for factor in low_rank.tensors):
            raise ValueError(
                f"The queries of {shown(concept.target)} contain NaN or infinity: run the model in float32."
            )
        held_out = drawn_evenly(examples, xi, FEW, generator)
        losses = [held_out_loss(model, held_out, lora, settings.loss) for lora in (LowRank(), low_rank)]
        left = losses[1] / max(losses[0], 1e-30)
        [effect] = effects_of(model, [held_out], [low_rank], [prompts.others], [left], [constants.samples])
    provenance = Provenance(settings, len(images.latents), losses[-1], "fast", effect=effect)
    return ConceptLoRA(concept, low_rank, C, prompts.fingerprint, provenance), losses


def held_out_loss(model: AttentionModel, held_out: Sample, lora: LowRank, loss: str) -> float:
    """Equation 3, the mean over samples that go through the model one by one."""
    total = 0.0
    for i in range(len(held_out.t)):
        one = held_out[i : i + 1]
        A = model.attention(model.noise(one.x_0, one.t, one.eps), one.t, one.context, lora)
        total += attention_losses(A, one.suppressed, one.masks, tuple(one.x_0.shape[-2:]), loss).item()
    return total / len(held_out.t)


def sample_moments(
    model: AttentionModel, sample: Sample, x_t: Tensor, size: tuple[int, int], on_step: OnStep | None = None
) -> dict[str, tuple[Tensor, Tensor]]:
    """Name of each to_k -> ``query_moments`` summed over the samples, with one pass of the U-Net for each.

    x_t: the noised latents of the samples ``[B, channels, h, w]``; size: (h, w).
    """
    total: dict[str, tuple[Tensor, Tensor]] = {}
    for i in range(len(x_t)):
        one, x_i = sample[i : i + 1], x_t[i : i + 1]
        found = model.queries(x_i, one.t, one.context, lambda q, one=one: query_moments(q, one.masks, size))
        for layer, (Q_i, m_i) in found.items():
            Q, m = total.get(layer, (0, 0))
            total[layer] = Q + Q_i, m + m_i
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


def key_edit(Q: Tensor, m: Tensor, constants: ClosedForm = DEFAULT) -> Tensor:
    """u of all heads ``[heads * dh]`` float64, from Q ``[heads, dh, dh]`` and m ``[heads, dh]``."""
    dh = Q.shape[-1]
    u = -constants.drop * dh**0.5 * torch.linalg.solve(_ridged(Q, constants.ridge), m)
    return u.flatten()


def words_moment(others: Tensor, count: int) -> Tensor:
    """P ``[d, d]`` float64 of words ``[n, d]``, scaled as if there were ``count`` of them."""
    return second_moment([others]) * (count / max(len(others), 1))


def token_direction(contexts: Tensor, suppressed: Tensor, C: Tensor, ridge: float = DEFAULT.ridge) -> Tensor:
    """D ``[d]`` float64: about 1 on the ``suppressed`` ``[n, L]`` of ``contexts`` ``[n, L, d]``, 0 on the
    other tokens of C ``[d, d]``."""
    b = contexts[suppressed].double().sum(0)
    return torch.linalg.solve(_ridged(C, ridge), b)


def _ridged(A: Tensor, ridge: float) -> Tensor:
    """A + a I for A ``[..., n, n]``."""
    mean = A.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return A + ridge * mean * torch.eye(A.shape[-1], dtype=A.dtype)
