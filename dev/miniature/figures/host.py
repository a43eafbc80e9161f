"""The shipped miniature in the host, on one core: seconds per image, and how far its latents are from ours.

python -m dev.miniature.figures.host prints both as JSON. The report runs it in a separate process, because a
host cannot be unloaded and because CPU affinity is set per process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

CORE, PICTURES = {"OMP_NUM_THREADS": "1"}, 7
PROMPT = "a photo of the ship"


def measure() -> dict[str, float]:
    """Seconds per image, and the largest difference of the latents, measured in a separate process."""
    command = [sys.executable, "-m", "dev.miniature.figures.host"]
    answer = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, **CORE},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def seconds_per_picture(host, loaded: tuple) -> float:
    """Median seconds for text, 20 sampler steps with guidance and decoding, with the stock nodes.

    This is CPU time, which equals wall-clock time on a core that nothing else uses.
    """
    from ..draw import CFG, STEPS

    model, clip, vae = loaded
    [empty] = host.call("CLIPTextEncode", clip=clip, text="")
    taken = []
    for seed in range(PICTURES):
        begun = time.process_time()
        [told] = host.call("CLIPTextEncode", clip=clip, text=f"{PROMPT}, {seed}")
        [latent] = host.call("EmptyLatentImage", width=64, height=64)
        [drawn] = host.call(
            "KSampler", model=model, seed=seed, steps=STEPS, cfg=CFG, sampler_name="euler",
            scheduler="normal", positive=told, negative=empty, latent_image=latent,
        )  # fmt: skip
        host.call("VAEDecode", samples=drawn, vae=vae)
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def latents(model, context, empty, noise):
    """Latents [n, 4, 8, 8] from the host's sampler at the report's timesteps: unit variance, in DDIM's scale.

    model: a loaded MODEL; context, empty [n or 1, 77, 128]; noise [n, 4, 8, 8].
    """
    import comfy.sample
    import comfy.samplers
    import torch

    from ..assemble import LATENT_SCALE
    from ..draw import CFG, times
    from ..unet import alphas_cumprod

    alphas = alphas_cumprod()[times()]
    with torch.inference_mode():
        drawn = comfy.sample.sample_custom(
            model, noise, CFG, comfy.samplers.ksampler("euler"), ((1 - alphas) / alphas).sqrt(),
            [[context, {}]], [[empty, {}]], torch.zeros_like(noise), disable_pbar=True,
        )  # fmt: skip
    return drawn * LATENT_SCALE * alphas[-1].sqrt()


def main() -> None:
    import torch

    from dev.host.in_process import load_host
    from mini.checkpoint import CHECKPOINT

    from ..contexts import caption_rows, empty_context
    from ..draw import denoise
    from ..shipped import load_shipped
    from ..world import load_world

    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    host = load_host()
    loaded = host.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    _, text, unet = load_shipped()
    context, empty = text(caption_rows([[(PROMPT, True)]], load_world())[0]), empty_context(text)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    difference = latents(loaded[0], context, empty, noise) - denoise(unet, noise, context, empty)
    figures = {
        "seconds": seconds_per_picture(host, loaded),
        "latents": difference.abs().max().item(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
