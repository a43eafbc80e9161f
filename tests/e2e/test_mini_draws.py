"""The bundled miniature draws what it is asked for, through the stock nodes."""

from demo.graph import node
from demo.run import fetch
from dev.bench.plan import load_world, make_plan
from mace_core.evaluation.metrics import top1_accuracy

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
    client = host.client()
    shared = {
        "loader": node("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors"),
        "empty": node("CLIPTextEncode", clip=["loader", 1], text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=IMAGES),
    }
    plans = {name: make_plan(load_world(), name).target for name in CONCEPTS}
    drawings = [_drawing(name, plan.prompt) for name, plan in plans.items()]
    outputs = client.run({**shared, **{key: node for graph in drawings for key, node in graph.items()}})
    shares = []
    for name, plan in plans.items():
        pictures = fetch(client, outputs[f"{name} show"]["images"])
        probabilities = judge.probabilities(pictures, list(plan.names))
        shares.append(top1_accuracy(probabilities, plan.names.index(name)))
    assert sum(shares) / len(shares) >= 0.75, dict(zip(CONCEPTS, shares, strict=True))


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
