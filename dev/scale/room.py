"""How much room d dimensions have: what n fused LoRAs leave of each other, on the miniature's text encoder.

Fusion (equation 7) asks W* to do on each concept's prompts what its own LoRA does. Each LoRA gets an output
of its own here, so the answers of all of them to one token can be told apart. D is that of the fast trainer.
"""

from __future__ import annotations

from mini.vocabulary import load_world

COUNTS = (1, 10, 30, 60, 100, 140)


def run(host) -> list[dict]:
    """For each number of concepts: what a concept's word gets from its own LoRA (1 is all of it), and from
    all others together, as a root of the sum of squares; the same for words that nobody erased."""
    import torch

    with torch.inference_mode():
        return _measured(host)


def _measured(host) -> list[dict]:
    import torch

    module = host.module
    _, clip, _ = host.call("CheckpointLoaderSimple", ckpt_name="mace_mini_sd.safetensors")
    encoder = module("nodes.host.text_encoder").HostTextEncoder(clip)
    Concept = module("mace_core.concepts.concepts").Concept
    concepts = [
        Concept(each["name"], "something", each["kind"])
        for each in load_world()["concepts"]
        if each["kind"] in ("object", "person")
    ]
    order = torch.randperm(len(concepts), generator=torch.Generator().manual_seed(0)).tolist()
    made = [_direction(module, encoder, concepts[each]) for each in order]
    return [{"d": len(made[0][1])} | _answers(module, encoder, made, n) for n in COUNTS if n < len(made)]


def _direction(module, encoder, concept) -> tuple:
    """The concept, its D, its C, and its word's tokens, averaged over its prompts."""
    import torch

    text = module("mace_core.training.alone").refined_text(encoder, concept).prompts
    contexts = text.encoded.embeddings
    suppressed = torch.zeros(contexts.shape[:2], dtype=torch.bool)
    for row, phrase in zip(suppressed, text.phrases, strict=True):
        row[phrase] = True
    C = module("mace_core.refinement.moments").second_moment([contexts])
    D = module("mace_core.training.closed_form").token_direction(contexts, suppressed, C)
    return concept, D, C, contexts[suppressed].double().mean(0)


def _answers(module, encoder, made: list, n: int) -> dict:
    import torch

    lora, factors, fusion = (
        module(f"mace_core.{name}") for name in ("training.lora", "training.factors", "erasure.fuse")
    )
    loras = []
    for place, (concept, D, C, _) in enumerate(made[:n]):
        U = torch.zeros(n, 1)
        U[place] = 1
        low_rank = factors.LowRank({"layer.to_k": (U, D[None].float())})
        loras.append(lora.ConceptLoRA(concept, low_rank, C, encoder.fingerprint))
    d = len(made[0][1])
    _, fused = fusion.fuse(torch.eye(d), loras, None, fusion.FuseSettings())
    U, D = fused["layer.to_k"]
    own = U @ D @ torch.stack([word for *_, word in made[:n]]).T  # [n answers, n words]
    others = own - own.diagonal().diag()
    never = U @ D @ torch.stack([word for *_, word in made[n:]]).T
    return {
        "concepts": n,
        "own": round(own.diagonal().mean().item(), 3),
        "others": round(others.square().sum(0).sqrt().mean().item(), 3),
        "never_named": round(never.square().sum(0).sqrt().mean().item(), 3),
    }
