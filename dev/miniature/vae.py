"""The autoencoder: TAESD's layout with fewer channels at high resolutions.

The host can still load it: convolutions and ReLUs without normalisation compute the same when the missing
channels are padded with zeros, and `mini/checkpoint.py` pads them on load. Latents have about unit variance
per channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# channels at 1, 1/2, 1/4 and 1/8 of the image's side; TAESD has 64 everywhere
WIDTHS = (16, 32, 64, 64)


def _conv(n_in: int, n_out: int, **kwargs) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the signal's variance: there is no normalisation to restore it."""
    conv = nn.Conv2d(n_in, n_out, 3, padding=1, **kwargs)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class Block(nn.Module):
    """Three convolutions with a skip, as in TAESD."""

    def __init__(self, n: int):
        super().__init__()
        self.conv = nn.Sequential(_conv(n, n), nn.ReLU(), _conv(n, n), nn.ReLU(), _conv(n, n))
        nn.init.zeros_(self.conv[-1].weight)  # a block starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Clamp(nn.Module):
    """TAESD's soft clamp of latents to +-3."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def encoder() -> nn.Sequential:
    """Images [n, 3, h, w] in 0..1 -> latents [n, 4, h/8, w/8]."""
    layers: list[nn.Module] = [_conv(3, WIDTHS[0]), Block(WIDTHS[0])]
    for wide, narrow in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [_conv(wide, narrow, stride=2, bias=False), Block(narrow), Block(narrow), Block(narrow)]
    return nn.Sequential(*layers, _conv(WIDTHS[-1], 4))


def decoder() -> nn.Sequential:
    """Latents [n, 4, h/8, w/8] -> images [n, 3, h, w] in 0..1 (not clamped)."""
    layers: list[nn.Module] = [Clamp(), _conv(4, WIDTHS[-1]), nn.ReLU()]
    for here, finer in zip(WIDTHS[::-1], WIDTHS[-2::-1], strict=False):
        layers += [
            Block(here),
            Block(here),
            Block(here),
            nn.Upsample(scale_factor=2),
            _conv(here, finer, bias=False),
        ]
    return nn.Sequential(*layers, Block(WIDTHS[0]), _conv(WIDTHS[0], 3))


class MiniVAE(nn.Module):
    """Encoder and decoder under the names the host expects."""

    def __init__(self) -> None:
        super().__init__()
        self.taesd_encoder, self.taesd_decoder = encoder(), decoder()

    def encode(self, pictures: Tensor) -> Tensor:
        return self.taesd_encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder(latents)


def vae_loss(model: MiniVAE, pictures: Tensor, noise: Tensor) -> tuple[Tensor, dict[str, float]]:
    """L1, L2 and gradient differences, and a pull of each latent channel towards mean 0 and variance 1.

    A little `noise` [n, 4, h/8, w/8] on the latents makes the decoder tolerate a sampler's errors.
    """
    z = model.encode(pictures)
    drawn = model.decode(z + 0.08 * noise)
    error = drawn - pictures
    mse = error.square().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    spread = z.mean((0, 2, 3)).square().sum() + (z.var((0, 2, 3)) - 1).square().sum()
    loss = error.abs().mean() + 2 * mse + 0.5 * edges + 0.01 * spread + 1e-4 * z.pow(4).mean()
    return loss, {"psnr": -10 * mse.log10().item()}
