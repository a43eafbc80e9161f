"""The bundled miniature generates what the prompt names, through the stock nodes."""

import io

import torch
from PIL import Image

from dev.bench.concepts import entry
from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.metrics import top1_accuracy
from mini.vocabulary import choices, load_world
from tests.host.graphs import node

CONCEPTS = ("airplane", "cat", "ship", "lion", "penguin", "pizza", "tree", "house", "umbrella", "guitar")
IMAGES = 4
SAMPLING = {
    "seed": 7,
    "steps": 20,
    "cfg": 4.0,
    "sampler_name": "euler",
    "scheduler": "normal",
    "denoise": 1.0,
}


def test_ten_concepts_are_recognised_by_the_judge(host, judge):
    client, world = host.client(), load_world()
    shared = {
        "loader": node("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors"),
        "empty": node("CLIPTextEncode", clip=["loader", 1], text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=IMAGES),
    }
    drawings = [_drawing(name, KINDS["object"].plain.format(name)) for name in CONCEPTS]
    outputs = client.run({**shared, **{key: node for graph in drawings for key, node in graph.items()}})
    shares = []
    for name in CONCEPTS:
        names, own = choices(world, entry(world, name))
        images = _fetched(client, outputs[f"{name} show"]["images"])
        shares.append(top1_accuracy(judge.probabilities(images, list(names)), names.index(own)))
    assert sum(shares) / len(shares) >= 0.75, dict(zip(CONCEPTS, shares, strict=True))


def _fetched(client, entries: list[dict]) -> torch.Tensor:
    """The images, [B, H, W, 3] in 0..1."""
    files = [Image.open(io.BytesIO(client.image(each))).convert("RGB") for each in entries]
    pixels = [torch.frombuffer(bytearray(file.tobytes()), dtype=torch.uint8) for file in files]
    return torch.stack(pixels).view(len(files), files[0].height, files[0].width, 3).float() / 255


def _drawing(name: str, prompt: str) -> dict:
    return {
        f"{name} text": node("CLIPTextEncode", clip=["loader", 1], text=prompt),
        f"{name} draw": node(
            "KSampler",
            model=["loader", 0],
            positive=[f"{name} text", 0],
            negative=["empty", 0],
            latent_image=["latent", 0],
            **SAMPLING,
        ),
        f"{name} decode": node("VAEDecode", samples=[f"{name} draw", 0], vae=["loader", 2]),
        f"{name} show": node("PreviewImage", images=[f"{name} decode", 0]),
    }
