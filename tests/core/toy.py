"""A text encoder and a cross-attention network, shaped like real ones but small enough to check by hand."""

import math
import re
import zlib
from functools import cache

import torch

from mace_core.encoder.text_encoder import END_OF_TEXT, EncodedPrompts
from mace_core.training.factors import LowRank, keys_of
from mace_core.training.lora import ConceptLoRA, untrained_lora

START = 49406
WORD = re.compile(r"'s|\w+|[^\w\s]+")  # a run of punctuation is one token, as in CLIP


class ToyTextEncoder:
    """Random embeddings per token id and position, mixed causally: later tokens depend on earlier ones.

    Words longer than six letters become several tokens. ``padding`` is END_OF_TEXT (SD1) or 0 (SD2, SDXL).
    pooled: the width of the pooled vector, a projection of the end token (SDXL); 0: none.
    """

    def __init__(self, d=32, context_length=77, padding=END_OF_TEXT, name="toy", pooled=0):
        self.d, self.context_length, self.padding, self.pooled = d, context_length, padding, pooled
        self.fingerprint = f"{name}-{d}"
        self.encoded = []  # every prompt that was encoded

    def word_tokens(self, phrase):
        pieces = [word[i : i + 6] for word in WORD.findall(phrase.lower()) for i in range(0, len(word), 6)]
        return tuple(1 + zlib.crc32(piece.encode()) % 49000 for piece in pieces)

    def encode(self, prompts):
        rows = [(START, *self.word_tokens(prompt), END_OF_TEXT) for prompt in prompts]
        if max(map(len, rows)) > self.context_length:
            raise ValueError("A prompt is too long: shorten it.")
        self.encoded += prompts
        rows = [(*row, *[self.padding] * (self.context_length - len(row))) for row in rows]
        e = torch.stack([_embed(row, self.d) for row in rows])
        pooled = None
        if self.pooled:
            ends = torch.stack([own[row.index(END_OF_TEXT)] for own, row in zip(e, rows, strict=True)])
            pooled = 2 * ends @ _random(7, (self.d, self.pooled)) / self.d**0.5
        return EncodedPrompts(torch.tensor(rows), e, pooled)


@cache
def _embed(row, d):
    own = torch.stack([_random(token, d) for token in row])
    places = torch.stack([_random(10**6 + i, d) for i in range(len(row))])
    before = own.cumsum(0) / torch.arange(1, len(row) + 1)[:, None]
    mixed = own + 0.3 * places + before
    return mixed / mixed.std(dim=1, keepdim=True)


@cache
def _random(seed, d):
    return torch.randn(d, generator=torch.Generator().manual_seed(seed))


class ToyAttentionModel:
    """Two cross-attention layers, 4 x 4 and 2 x 2 positions, two heads; the second reads the first."""

    def __init__(self, d=32, width=8, channels=4, seed=0):
        g = torch.Generator().manual_seed(seed)
        names = [f"toy.{i}.attn2.{p}" for i in (0, 1) for p in ("to_k", "to_v")]
        self.layers = {name: (width, d) for name in names}
        self.weights = {name: torch.randn(width, d, generator=g) / math.sqrt(d) for name in names}
        self.to_q = [torch.randn(width, channels, generator=g), torch.randn(width, width, generator=g)]
        self.alphas = torch.linspace(0.999, 0.01, 1000)
        self.timesteps = []

    def noise(self, x_0, t, eps):
        self.timesteps += t.tolist()
        a = self.alphas[t].view(-1, 1, 1, 1)
        return a.sqrt() * x_0 + (1 - a).sqrt() * eps

    def attention(self, x_t, t, context, lora):
        return [A for A, _ in self._run(x_t, context, lora)]

    def queries(self, x_t, t, context, of):
        found = [of(q) for _, q in self._run(x_t, context, LowRank())]
        return dict(zip(keys_of(self.layers), found, strict=True))

    def _run(self, x_t, context, lora):
        x = x_t.flatten(2).transpose(1, 2)  # [B, h*w, channels]
        *first, x = self._layer(0, x, context, lora)
        square = x.transpose(1, 2).unflatten(2, x_t.shape[-2:])
        x = torch.nn.functional.avg_pool2d(square, 2).flatten(2).transpose(1, 2)
        *second, _ = self._layer(1, x, context, lora)
        return [first, second]

    def _layer(self, i, x, context, lora):
        k, v = (self._project(f"toy.{i}.attn2.{p}", context, lora) for p in ("to_k", "to_v"))
        q, k, v = (y.unflatten(2, (2, -1)).transpose(1, 2) for y in (x @ self.to_q[i].T, k, v))
        A = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return A, q, (A @ v).transpose(1, 2).flatten(2)

    def _project(self, name, context, lora):
        y = context @ self.weights[name].T
        if name not in lora:
            return y
        U, D = lora[name]
        return y + context @ D.mT @ U.mT


def low_rank(U, D):
    """Combines layer -> U and layer -> D into a LowRank."""
    return LowRank({name: (U[name], D[name]) for name in U})


def random_loras(encoder, concepts, layers, rank=1, seed=0):
    """ConceptLoRAs with random factors in place of trained ones, for layers name -> (o, d)."""
    g = torch.Generator().manual_seed(seed)
    loras = []
    for concept in concepts:
        U = {name: torch.randn(o, rank, generator=g) for name, (o, _) in layers.items()}
        D = {name: torch.randn(rank, d, generator=g) / math.sqrt(d) for name, (_, d) in layers.items()}
        C = untrained_lora(encoder, concept).C
        loras.append(ConceptLoRA(concept, low_rank(U, D), C, encoder.fingerprint))
    return loras
